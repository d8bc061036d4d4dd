# Makes mixed_<case>.json: lme4 pushed to its optimum, for the cases in mixed_cases.json. Run it in this folder.
# bobyqa to rhoend 1e-12 from three starts, restarted three times where it ended; the lowest criterion is kept.
suppressMessages({library(lme4); library(jsonlite)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e6), calc.derivs = FALSE,
                     check.conv.singular = "ignore", check.rankX = "silent.drop.cols")
quietly <- function(x) suppressMessages(suppressWarnings(x))
best_fit <- function(formula, d, reml, w) {
  fit <- function(start) quietly(do.call(lmer, list(formula, d, REML = reml, control = tight, start = start, weights = w)))
  best <- NULL
  for (start in list(NULL, 1.01, 0.3)) {
    theta <- if (is.null(start)) NULL else start * getME(best, "theta") + 1e-3
    m <- fit(theta)
    for (again in 1:3) m <- fit(getME(m, "theta"))
    crit <- function(m) if (reml) REMLcrit(m) else deviance(m)
    if (is.null(best) || crit(m) < crit(best)) best <- m
  }
  best
}
components <- function(m) {
  vc <- VarCorr(m); rows <- list()
  for (g in names(vc)) { M <- vc[[g]]
    for (i in seq_len(nrow(M))) for (j in seq_len(i)) rows[[length(rows) + 1]] <-
      list(group = sub("\\.[0-9]+$", "", g), term = rownames(M)[j], term2 = rownames(M)[i], value = M[i, j]) }
  rows
}
extract <- function(m, reml) {
  re <- as.data.frame(ranef(m, condVar = TRUE))
  list(terms = names(fixef(m)), dropped = setdiff(names(fixef(m, add.dropped = TRUE)), names(fixef(m))),
       n_obs = nobs(m), n_levels = as.list(ngrps(m)), theta = unname(getME(m, "theta")),
       value = list(beta = unname(fixef(m)), std_error = unname(sqrt(diag(as.matrix(vcov(m))))), sigma = sigma(m),
                    criterion = unname(if (reml) REMLcrit(m) else deviance(m)), log_likelihood = as.numeric(logLik(m)),
                    components = components(m),
                    effects = list(group = as.character(re$grpvar), term = as.character(re$term),
                                   level = as.character(re$grp), value = re$condval, sd = re$condsd)))
}
cases <- fromJSON("mixed_cases.json", simplifyVector = FALSE)
wanted <- commandArgs(TRUE); if (!length(wanted)) wanted <- names(cases)
for (name in wanted) {
  s <- cases[[name]]
  d <- read.csv(sprintf("data/%s.csv", s$data), stringsAsFactors = TRUE, na.strings = "")
  formula <- as.formula(s$formula)
  for (g in unique(unlist(lapply(findbars(formula), function(b) all.vars(b[[3]]))))) d[[g]] <- factor(d[[g]])
  w <- if (is.null(s$weights)) NULL else d[[s$weights]]
  out <- list(case = name, source = sprintf("data/%s.csv; see data/README.md", s$data),
              software = sprintf("R %s, lme4 %s", getRversion(), packageVersion("lme4")),
              formula = s$formula, weights = s$weights,
              rtol = list(beta = 1e-6, std_error = 1e-6, sigma = 1e-6, criterion = 1e-9, log_likelihood = 1e-9,
                          components = 1e-6, effects = 1e-6, effects_sd = 1e-6))
  for (method in c("REML", "ML")) out[[method]] <- extract(best_fit(formula, d, method == "REML", w), method == "REML")
  cat(name, isSingular(best_fit(formula, d, TRUE, w)), "\n")
  write(toJSON(out, digits = NA, auto_unbox = TRUE, null = "null"), sprintf("mixed_%s.json", name))
}
