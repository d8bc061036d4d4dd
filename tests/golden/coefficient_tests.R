# Makes coefficient_tests.json: lmerTest, pbkrtest and nlme on the cases below. Run it in this folder.
# bobyqa to rhoend 1e-12 from two starts, restarted three times where it ended; the lower criterion is kept. Derivatives of
# lmerTest are numerical (numDeriv), so its df are good to some six digits.
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(nlme); library(jsonlite)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e6), calc.derivs = FALSE,
                     check.conv.singular = "ignore", check.rankX = "silent.drop.cols")
quietly <- function(x) suppressMessages(suppressWarnings(x))
best_fit <- function(formula, d, reml, w) {
  fit <- function(start) quietly(do.call(lmerTest::lmer, list(formula, d, REML = reml, control = tight, start = start, weights = w)))
  best <- NULL
  for (start in list(NULL, 0.3)) {
    m <- fit(if (is.null(start)) NULL else start * getME(best, "theta") + 1e-3)
    for (again in 1:3) m <- fit(getME(m, "theta"))
    crit <- function(m) if (reml) REMLcrit(m) else deviance(m)
    if (is.null(best) || crit(m) < crit(best)) best <- m
  }
  best
}
coefficients_of <- function(m, ddf) {
  s <- coef(summary(m, ddf = ddf))
  list(estimate = unname(s[, 1]), std_error = unname(s[, 2]), df = unname(s[, 3]), p_value = unname(s[, 5]))
}
terms_of <- function(m, type, ddf) {
  a <- as.data.frame(quietly(anova(m, type = type, ddf = ddf)))
  list(term = rownames(a), df_numerator = a$NumDF, df = a$DenDF, statistic = a[["F value"]], p_value = a[["Pr(>F)"]])
}
prepare <- function(s) {
  d <- read.csv(sprintf("data/%s.csv", s$data), stringsAsFactors = TRUE, na.strings = "")
  if (s$data == "alliance_sessions") {
    d$patient <- factor(d$patient)
    d$third <- factor(c("a", "b", "c")[1 + as.integer(d$patient) %% 3])
    if (isTRUE(s$holes)) d <- droplevels(d[!(d$third == "c" & d$phase == "late"), ])
  }
  for (g in unique(unlist(lapply(findbars(as.formula(s$formula)), function(b) all.vars(b[[3]]))))) d[[g]] <- factor(d[[g]])
  d
}
cases <- fromJSON("coefficient_tests_cases.json", simplifyVector = FALSE)
out <- list()
for (name in names(cases)) {
  s <- cases[[name]]
  d <- prepare(s)
  formula <- as.formula(s$formula)
  w <- if (is.null(s$weights)) NULL else d[[s$weights]]
  m <- best_fit(formula, d, TRUE, w)
  one <- list(singular = isSingular(m), terms = names(fixef(m)), satterthwaite = coefficients_of(m, "Satterthwaite"),
              satterthwaite_ml = coefficients_of(best_fit(formula, d, FALSE, w), "Satterthwaite"),
              term_tests = list())
  # pbkrtest 0.5.2 leaves weights out of the covariance of the residuals: no reference for Kenward-Roger with weights.
  ddfs <- if (is.null(w)) c("Satterthwaite", "Kenward-Roger") else "Satterthwaite"
  if (is.null(w)) {
    one$kenward_roger <- coefficients_of(m, "Kenward-Roger")
    adjusted <- as.matrix(vcovAdj(m))
    one$adjusted_covariance <- unname(split(adjusted, row(adjusted)))
    L <- diag(length(fixef(m)))
    if (nrow(L) > 1) {
      L <- L[-1, , drop = FALSE]
      k <- KRmodcomp(m, L)$test["Ftest", ]
      one$all_but_intercept <- list(df_numerator = k$ndf, df = k$ddf, statistic = k$stat, p_value = k$p.value)
    }
  }
  if (length(fixef(m)) > 1) for (ddf in ddfs) for (type in c("III", "II"))
    one$term_tests[[paste(tolower(sub("-", "_", ddf)), type)]] <- terms_of(m, type, ddf)
  if (!is.null(s$lme)) {
    l <- lme(as.formula(s$lme$fixed), random = eval(parse(text = s$lme$random)), data = d,
             control = lmeControl(opt = "optim", reltol = 1e-14, msTol = 1e-14))
    a <- anova(l)
    one$containment <- list(df = unname(summary(l)$tTable[, "DF"]), term = rownames(a), term_df = a$denDF)
  }
  cat(name, isSingular(m), "\n")
  out[[name]] <- one
}
software <- sprintf("R %s, lme4 %s, lmerTest %s, pbkrtest %s, nlme %s", getRversion(), packageVersion("lme4"),
                    packageVersion("lmerTest"), packageVersion("pbkrtest"), packageVersion("nlme"))
rtol <- list(estimate = 1e-6, std_error = 1e-6, df = 1e-4, statistic = 1e-5, p_value = 1e-3)
write(toJSON(list(software = software, rtol = rtol, cases = out), digits = NA, auto_unbox = TRUE, null = "null", pretty = 1),
      "coefficient_tests.json")
