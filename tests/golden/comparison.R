# Makes comparison.json: lme4's anova() of nested pairs and lmerTest's ranova(), lme4 pushed to its optimum. Run it in this folder.
suppressMessages({library(lme4); library(lmerTest); library(jsonlite)})
quietly <- function(x) suppressMessages(suppressWarnings(x))
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e6), calc.derivs = FALSE,
                     check.conv.singular = "ignore", check.rankX = "silent.drop.cols")
cases <- fromJSON("mixed_cases.json", simplifyVector = FALSE)
frame_of <- function(name, formulas) {
  d <- read.csv(sprintf("data/%s.csv", name), stringsAsFactors = TRUE, na.strings = "")
  for (f in formulas) for (g in unlist(lapply(findbars(as.formula(f)), function(b) all.vars(b[[3]])))) d[[g]] <- factor(d[[g]])
  d
}
pairs <- list(
  list("sleepstudy", "Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + (1 + Days | Subject)"),
  list("sleepstudy", "Reaction ~ Days + (1 + Days || Subject)", "Reaction ~ Days + (1 + Days | Subject)"),
  list("sleepstudy", "Reaction ~ 1 + (1 + Days | Subject)", "Reaction ~ Days + (1 + Days | Subject)"),
  list("Orthodont", "distance ~ agec + (1 + agec | Subject)", "distance ~ agec * Sex + (1 + agec | Subject)"),
  list("Orthodont", "distance ~ agec + (1 | Subject)", "distance ~ agec * Sex + (1 + agec | Subject)"),
  list("Penicillin", "diameter ~ 1 + (1 | sample)", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
  list("Pastes", "strength ~ 1 + (1 | batch:cask)", "strength ~ 1 + (1 | batch/cask)"),
  list("alliance_sessions", "distress ~ session + alliance + (1 | patient)",
       "distress ~ session + alliance + (1 + session | patient) + (1 | therapist)"),
  list("alliance_sessions", "distress ~ session + (1 + session | patient) + (1 | therapist)",
       "distress ~ session + alliance + (1 + session | patient) + (1 | therapist)", "weight"),
  list("alliance_raters", "rating ~ occasion + (1 | patient) + (1 | rater)",
       "rating ~ occasion + (1 + occasion | patient) + (1 | rater)"),
  list("alliance_clinics", "outcome ~ alliance + (1 | clinic:therapist)", "outcome ~ alliance + (1 | clinic/therapist)"))
nested <- list()
for (p in pairs) {
  d <- frame_of(p[[1]], p[2:3])
  w <- if (length(p) > 3) d[[p[[4]]]] else NULL
  fits <- lapply(p[2:3], function(f) quietly(do.call(lme4::lmer, list(as.formula(f), d, control = tight, weights = w))))
  for (refit in c(TRUE, FALSE)) {
    a <- quietly(anova(fits[[1]], fits[[2]], refit = refit))
    nested[[length(nested) + 1]] <- list(data = p[[1]], small = p[[2]], big = p[[3]], weights = if (is.null(w)) NULL else p[[4]],
      refit = refit, n_parameters = a$npar, aic = a$AIC, bic = a$BIC, log_likelihood = a$logLik,
      statistic = a$Chisq[2], df = a$Df[2], p_value = a[["Pr(>Chisq)"]][2])
  }
}
dropped <- list()
for (name in c("sleepstudy", "orthodont", "dyestuff", "penicillin", "pastes_implicit", "sessions", "phases_by_patient",
               "clinics_slope", "raters_slope", "raters_weighted")) {
  s <- cases[[name]]
  d <- frame_of(s$data, s$formula)
  for (method in c("REML", "ML")) {
    assign("d", d, globalenv()); assign("w", if (is.null(s$weights)) rep(1, nrow(d)) else d[[s$weights]], globalenv())
    m <- quietly(eval(bquote(lmer(.(as.formula(s$formula)), d, REML = .(method == "REML"), weights = w, control = tight)), globalenv()))
    r <- quietly(ranova(m))
    dropped[[length(dropped) + 1]] <- list(case = name, method = method, row = rownames(r)[-1], n_parameters = r$npar[-1],
      log_likelihood = r$logLik[-1], aic = r$AIC[-1], statistic = r$LRT[-1], df = r$Df[-1], p_value = r[["Pr(>Chisq)"]][-1])
  }
  cat(name, "\n")
}
write(toJSON(list(software = sprintf("R %s, lme4 %s, lmerTest %s", getRversion(), packageVersion("lme4"), packageVersion("lmerTest")),
                  nested = nested, dropped = dropped), digits = NA, auto_unbox = TRUE, null = "null"), "comparison.json")
