# Makes emmeans.json: marginal means, slopes, contrasts and predictions of emmeans on lmerTest fits, with Satterthwaite's and
# Kenward-Roger's df (pbkrtest). Run it in this folder. lme4 is pushed to its optimum as in mixed_models.R.
suppressMessages({library(lme4); library(lmerTest); library(emmeans); library(pbkrtest); library(jsonlite)})
emm_options(lmerTest.limit = 1e5, pbkrtest.limit = 1e5, opt.digits = FALSE)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e6), calc.derivs = FALSE,
                     check.conv.singular = "ignore")
quietly <- function(x) suppressMessages(suppressWarnings(x))
fit <- function(formula, d, weights = NULL) {
  m <- quietly(do.call(lmerTest::lmer, list(formula, d, control = tight, weights = weights)))
  theta <- getME(m, "theta")
  for (again in 1:3) { m <- quietly(do.call(lmerTest::lmer, list(formula, d, control = tight, weights = weights, start = theta)))
    theta <- getME(m, "theta") }
  m
}
methods <- c(satterthwaite = "satterthwaite", kenward_roger = "kenward-roger", normal = "asymptotic")
plain <- function(s, keep) {
  s <- as.data.frame(s); names(s) <- sub("^(emmean|.*\\.trend|prediction)$", "estimate", names(s))
  out <- lapply(s[keep[keep %in% names(s)]], function(v) if (is.factor(v)) as.character(v) else v)
  out$estimate <- s$estimate; out$std_error <- s$SE; out$df <- ifelse(is.finite(s$df), s$df, -1)
  for (n in c("t.ratio", "z.ratio")) if (n %in% names(s)) out$statistic <- s[[n]]
  if ("p.value" %in% names(s)) out$p_value <- s$p.value
  low <- grep("lower.CL|asymp.LCL", names(s)); high <- grep("upper.CL|asymp.UCL", names(s))
  if (length(low)) { out$conf_low <- s[[low]]; out$conf_high <- s[[high]] }
  out
}
read <- function(name) read.csv(sprintf("data/%s.csv", name), stringsAsFactors = TRUE, na.strings = "")
cake <- read("cake")
cake$recipe <- factor(ifelse(cake$rB == 1, "B", ifelse(cake$rC == 1, "C", "A")))
cake$temperature <- factor(175 + 10 * (cake$t185 + 2 * cake$t195 + 3 * cake$t205 + 4 * cake$t215 + 5 * cake$t225))
sessions <- read("alliance_sessions"); sessions$patient <- factor(sessions$patient)
sessions$severity <- ave(sessions$distress, sessions$patient, FUN = function(v) v[1])
sleep <- read("sleepstudy"); sleep$long <- factor(ifelse(sleep$Days > 4, "late", "early"))
raters <- read("alliance_raters"); for (g in c("patient", "rater")) raters[[g]] <- factor(raters[[g]])
raters$half <- factor(ifelse(raters$occasion > 0, "second", "first"))
clinics <- read("alliance_clinics"); clinics$therapist <- factor(clinics$therapist)
clinics$site <- factor(ifelse(clinics$clinic %in% c("A", "B", "C"), "north", ifelse(clinics$clinic %in% c("D", "E"), "south", "west")))
models <- list(
  cake = list(data = cake, formula = angle ~ recipe * temperature + (1 | rr), spec = list(means = c("recipe", "temperature"))),
  cake_recipe = list(data = cake, formula = angle ~ recipe * temperature + (1 | rr), spec = list(means = "recipe")),
  orthodont = list(data = read("Orthodont"), formula = distance ~ agec * Sex + (1 + agec | Subject),
                   spec = list(means = "Sex", at = list(agec = 2), slope = "agec", slope_by = "Sex")),
  arms = list(data = sessions, formula = distress ~ arm * phase + alliance + (1 | patient) + (1 | therapist),
              spec = list(means = "arm", conditions = "phase")),
  arms_proportional = list(data = sessions, formula = distress ~ arm + phase + alliance + (1 | patient),
                           spec = list(means = "arm", weights = "proportional")),
  arms_slope = list(data = sessions, formula = distress ~ session * arm + alliance + (1 + session | patient) + (1 | therapist),
                    spec = list(means = "arm", at = list(session = c(1, 4)), slope = "session", slope_by = "arm")),
  arms_weighted = list(data = sessions, weights = "weight", formula = distress ~ arm * session + (1 | patient),
                       spec = list(means = "arm", slope = "session", slope_by = "arm")),
  quadratic = list(data = sessions, formula = distress ~ poly(session, 2) * arm + (1 | patient),
                   spec = list(means = "arm", at = list(session = 3), slope = "session", slope_at = list(session = c(1, 3, 5)),
                               slope_by = "arm")),
  moderated = list(data = sessions, formula = distress ~ alliance * severity + session + (1 | patient),
                   spec = list(slope = "alliance", slope_at = list(severity = c(14, 20, 26)))),
  sleep = list(data = sleep, formula = Reaction ~ Days * long + (1 + Days | Subject),
               spec = list(means = "long", slope = "Days", slope_by = "long")),
  raters = list(data = raters, formula = rating ~ half + minutes + (1 | patient) + (1 | rater), spec = list(means = "half")),
  clinics = list(data = clinics, formula = outcome ~ site * alliance + (1 | clinic:therapist),
                 spec = list(means = "site", slope = "alliance", slope_by = "site")))
out <- list()
for (name in names(models)) {
  s <- models[[name]]; spec <- s$spec; d <- s$data
  m <- fit(s$formula, d, if (is.null(s$weights)) NULL else d[[s$weights]])
  res <- list()
  for (key in names(methods)) {
    r <- list(); mode <- methods[[key]]
    weights <- if (is.null(spec$weights)) "equal" else spec$weights
    if (!is.null(spec$means)) {
      shown <- c(spec$means, spec$conditions, names(spec$at))
      e <- quietly(emmeans(m, c(spec$means), by = c(spec$conditions, names(spec$at)), at = spec$at, weights = weights,
                           lmer.df = mode, data = d))
      r$means <- plain(summary(e, infer = c(TRUE, FALSE)), shown)
      groups <- c("contrast", spec$conditions, names(spec$at))
      if (length(spec$means) == 1) for (adjust in c("none", "tukey", "holm", "BH", "bonferroni"))
        r[[paste0("pairs_", tolower(adjust))]] <- plain(summary(pairs(e, adjust = adjust), infer = c(TRUE, TRUE)), groups)
      if (length(spec$means) == 1) r$reference <- plain(summary(contrast(e, "trt.vs.ctrl1", adjust = "none"), infer = c(TRUE, TRUE)), groups)
      j <- as.data.frame(quietly(test(pairs(e), joint = TRUE)))
      r$joint <- list(statistic = j$F.ratio, df1 = j$df1, df2 = ifelse(is.finite(j$df2), j$df2, -1), p_value = j$p.value)
    }
    if (!is.null(spec$slope)) {
      t <- quietly(emtrends(m, if (is.null(spec$slope_by)) ~ 1 else spec$slope_by, var = spec$slope, by = names(spec$slope_at),
                            at = spec$slope_at, lmer.df = mode, data = d, delta.var = 1e-7 * diff(range(d[[spec$slope]]))))
      r$slopes <- plain(summary(t, infer = c(TRUE, TRUE)), c(spec$slope_by, names(spec$slope_at)))
      if (!is.null(spec$slope_by))
        r$slope_pairs <- plain(summary(pairs(t, adjust = "tukey"), infer = c(TRUE, TRUE)), c("contrast", names(spec$slope_at)))
    }
    res[[key]] <- r
  }
  out[[name]] <- list(case = name, software = sprintf("R %s, lme4 %s, emmeans %s, pbkrtest %s, lmerTest %s", getRversion(),
    packageVersion("lme4"), packageVersion("emmeans"), packageVersion("pbkrtest"), packageVersion("lmerTest")),
    formula = paste(deparse(s$formula, width.cutoff = 300), collapse = ""), weights = s$weights, spec = spec,
    singular = isSingular(m), results = res)
  cat(name, isSingular(m), "\n")
}
write(toJSON(out, digits = NA, auto_unbox = TRUE, null = "null"), "emmeans.json")
