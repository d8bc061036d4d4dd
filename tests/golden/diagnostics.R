# Makes diagnostics_<case>.json for the cases in diagnostics_cases.json. Run it in this folder.
# "fixed": every level deleted, generalised least squares of the rows left with dense matrices at the theta and sigma of the whole
# fit. "refit": the same by lme4, with dfbetas and both forms of Cook's distance: that of influence.ME (covariance without the
# level) written out, and lme4's own (covariance of the whole fit, another factor) from cooks.distance(). hat: lme4::hatvalues.
# Tests of residual variance on the studentised conditional residuals: lmtest::bptest (Koenker), car::leveneTest (median).
suppressMessages({library(lme4); library(jsonlite); library(lmtest); library(car)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e6), calc.derivs = FALSE,
                     check.conv.singular = "ignore", check.rankX = "silent.drop.cols")
quietly <- function(x) suppressMessages(suppressWarnings(x))
best_fit <- function(formula, d, w, from = NULL) {
  fit <- function(start) quietly(do.call(lmer, list(formula, d, control = tight, start = start, weights = w)))
  best <- NULL
  for (scale in if (is.null(from)) c(1, 1.01, 0.3) else c(1, 0.3)) {
    theta <- if (is.null(best)) from else scale * getME(best, "theta") + 1e-3
    m <- fit(theta)
    for (again in 1:3) m <- fit(getME(m, "theta"))
    if (is.null(best) || REMLcrit(m) < REMLcrit(best)) best <- m
  }
  best
}
cook <- function(beta, other, v) as.numeric(t(other - beta) %*% solve(v, other - beta)) / length(beta)
without <- function(m, x, y, v, level, own, d, formula, w) {
  keep <- own != level
  xk <- x[keep, , drop = FALSE]
  vi <- solve(v[keep, keep])
  cov <- solve(t(xk) %*% vi %*% xk)
  b <- as.vector(cov %*% t(xk) %*% vi %*% y[keep])
  again <- best_fit(formula, droplevels(d[keep, ]), if (is.null(w)) NULL else w[keep], getME(m, "theta"))
  list(level = as.character(level), n = sum(!keep), fixed = b, fixed_se = sqrt(diag(cov)), fixed_cook = cook(fixef(m), b, cov),
       refit = unname(fixef(again)), refit_se = unname(sqrt(diag(as.matrix(vcov(again))))),
       refit_cook = cook(fixef(m), fixef(again), as.matrix(vcov(again))))
}
cases <- fromJSON("diagnostics_cases.json", simplifyVector = FALSE)
wanted <- commandArgs(TRUE); if (!length(wanted)) wanted <- names(cases)
for (name in wanted) {
  s <- cases[[name]]
  d <- read.csv(sprintf("data/%s.csv", s$data), stringsAsFactors = TRUE, na.strings = c("", "NA"))
  formula <- as.formula(s$formula)
  for (g in unlist(s$groups)) d[[g]] <- factor(d[[g]])
  w <- if (is.null(s$weights)) NULL else d[[s$weights]]
  m <- best_fit(formula, d, w)
  x <- getME(m, "X"); y <- getME(m, "y")
  zl <- as.matrix(getME(m, "Z") %*% t(getME(m, "Lambdat")))
  v <- sigma(m)^2 * (tcrossprod(zl) + diag(1 / weights(m)))
  vi <- solve(v)
  h1 <- diag(x %*% solve(t(x) %*% vi %*% x) %*% t(x) %*% vi)
  hat <- unname(hatvalues(m))
  scaled <- unname(residuals(m) * sqrt(weights(m)) / (sigma(m) * sqrt(1 - hat)))
  marginal <- as.vector(y - x %*% fixef(m))
  own_sd <- sqrt(diag(v - x %*% solve(t(x) %*% vi %*% x) %*% t(x)))
  bp <- bptest(lm(scaled ~ 1), ~ fitted(m))  # printed beside: it subtracts the mean of the residuals first
  direct <- lm(I(scaled^2) ~ fitted(m))
  levels <- lapply(setNames(nm = unlist(s$groups)), function(g) lapply(levels(d[[g]]), without, m = m, x = x, y = y, v = v,
                   own = d[[g]], d = d, formula = formula, w = w))
  own_cook <- NULL
  if (name == "sleepstudy") {
    inf <- quietly(influence(m, "Subject"))
    own_cook <- list(level = I(as.character(inf$deleted)), cook = I(unname(cooks.distance(inf))),
                     dfbetas = unname(dfbetas(inf)))
  }
  levene <- lapply(setNames(nm = unlist(s$groups)), function(g) { t <- leveneTest(scaled, d[[g]], center = median)
                   list(f = t[1, 2], df1 = t[1, 1], df2 = t[2, 1], p = t[1, 3]) })
  out <- list(case = name, source = sprintf("data/%s.csv; see data/README.md", s$data), formula = s$formula, weights = s$weights,
              software = sprintf("R %s, lme4 %s, lmtest %s, car %s", getRversion(), packageVersion("lme4"),
                                 packageVersion("lmtest"), packageVersion("car")),
              terms = I(gsub("(Intercept)", "Intercept", names(fixef(m)), fixed = TRUE)), hat = I(hat), leverage = I(h1),
              scaled = I(scaled), marginal = I(marginal / own_sd),
              breusch_pagan = list(statistic = nrow(d) * summary(direct)$r.squared), levene = levene, levels = levels,
              lme4 = own_cook)
  out$breusch_pagan$p <- pchisq(out$breusch_pagan$statistic, 1, lower.tail = FALSE)
  cat(name, "bptest", bp$statistic, "n R2", out$breusch_pagan$statistic, "\n")
  write(toJSON(out, digits = NA, auto_unbox = TRUE, null = "null"), sprintf("diagnostics_%s.json", name))
}
