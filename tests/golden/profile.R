# Makes profile.json: profile likelihood limits for cases of mixed_cases.json, by direct constrained optimisation of lme4's
# ML deviance. Run it in this folder.
# confint(profile(fit)) reads its limits off a spline through some twenty points, and its searches stop early: on these cases it
# is right to 2 to 4 digits. Here the deviance is minimised by bobyqa (nloptr, xtol_rel 1e-11, restarted, several starts) with
# one parameter held, and the limit is where it exceeds the minimum by the chi-square quantile (uniroot, tol 1e-10). What
# confint(profile()) gives is kept as "lme4_low", "lme4_high".
# SDs, correlations, sigma: lme4:::devfun2, the deviance by SD, correlation and sigma that profile() uses itself.
# Fixed effects: the deviance by theta of the outcome minus value times column, without that column.
suppressMessages({library(lme4); library(nloptr); library(jsonlite)})
quietly <- function(x) suppressMessages(suppressWarnings(x))
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e6), calc.derivs = FALSE,
                     check.conv.singular = "ignore", check.rankX = "silent.drop.cols")
lowest <- function(fn, starts, lower, upper) {
  safe <- function(x) { v <- tryCatch(fn(x), error = function(e) NA); if (is.finite(v)) v else 1e10 }
  best <- list(objective = Inf)
  for (start in starts) { s <- pmin(pmax(start, lower), upper)
    for (again in 1:3) {
      found <- nloptr(s, safe, lb = lower, ub = upper,
                      opts = list(algorithm = "NLOPT_LN_BOBYQA", xtol_rel = 1e-11, ftol_abs = 1e-13, maxeval = 20000))
      s <- pmin(pmax(found$solution, lower), upper)
      if (found$objective < best$objective) best <- found
    } }
  best
}
# Where the constrained deviance meets base + cut on one side; edge is the end of the range.
limit <- function(constrained, estimate, step, edge, base, cut) {
  z <- function(v) sqrt(max(constrained(v) - base, 0)) - sqrt(cut)
  inside <- estimate; far <- estimate
  repeat {
    far <- far + step; step <- 1.6 * step
    if ((far - edge) * sign(step) >= 0) { if (z(edge) < 0) return(edge); far <- edge; break }
    if (z(far) > 0) break
    inside <- far
  }
  uniroot(z, sort(c(inside, far)), tol = 1e-10 * max(1, abs(estimate)), maxiter = 200)$root
}
variance_limits <- function(m, cut) {
  dev <- lme4:::devfun2(m, useSc = TRUE, signames = FALSE); opt <- attr(dev, "optimum")
  opt <- opt[!(names(opt) %in% names(fixef(m)))]
  cor <- grepl("^cor_", names(opt))
  lower <- ifelse(cor, -1 + 1e-9, 0); upper <- ifelse(cor, 1 - 1e-9, Inf)
  lower[length(opt)] <- 1e-6 * opt[length(opt)]
  scale <- ifelse(cor, 1, pmax(opt, 0.05 * opt[length(opt)]))
  at <- function(x) dev(unname(x * scale))
  best <- lowest(at, list(opt / scale, ifelse(cor, 0, 1)), lower / scale, upper / scale)
  base <- best$objective; x0 <- best$solution
  rows <- list()
  for (k in seq_along(opt)) {
    warm <- x0[-k]
    constrained <- function(v) {
      whole <- function(x) { y <- numeric(length(opt)); y[k] <- v / scale[k]; y[-k] <- x; y }
      found <- lowest(function(x) at(whole(x)), list(warm, x0[-k], pmax(x0[-k], ifelse(cor[-k], -1, 0.3))),
                      (lower / scale)[-k], (upper / scale)[-k])
      warm <<- found$solution
      found$objective
    }
    estimate <- x0[k] * scale[k]
    size <- if (cor[k]) 0.1 else 0.15 * scale[k]
    low <- limit(constrained, estimate, -size, lower[k], base, cut); warm <- x0[-k]
    high <- limit(constrained, estimate, size, upper[k], base, cut)
    if (cor[k]) { if (low < -1 + 1e-8) low <- -1; if (high > 1 - 1e-8) high <- 1 }
    rows[[k]] <- list(name = names(opt)[k], estimate = estimate, low = low, high = high)
  }
  rows
}
fixed_limits <- function(m, formula, d, w, cut) {
  lf <- do.call(lFormula, list(formula, d, REML = FALSE, weights = w, control = tight))
  y <- lf$fr[[1]]; rows <- list()
  deviance_of <- function(fr, X) {
    fn <- do.call(mkLmerDevfun, list(fr = fr, X = X, reTrms = lf$reTrms, REML = FALSE, control = tight)); fn
  }
  theta0 <- getME(m, "theta"); low_theta <- lf$reTrms$lower
  best <- lowest(deviance_of(lf$fr, lf$X), list(theta0, theta0 + 0.3), low_theta, rep(Inf, length(theta0)))
  base <- best$objective; beta <- fixef(m); se <- sqrt(diag(as.matrix(vcov(m))))
  for (j in seq_along(beta)) {
    X <- lf$X[, -j, drop = FALSE]; attributes(X)[c("assign", "contrasts")] <- NULL
    constrained <- function(v) {
      fr <- lf$fr; fr[[1]] <- y - v * lf$X[, j]
      lowest(deviance_of(fr, X), list(best$solution, best$solution + 0.3), low_theta, rep(Inf, length(theta0)))$objective
    }
    rows[[j]] <- list(name = names(beta)[j], estimate = unname(beta[j]),
                      low = limit(constrained, beta[[j]], -se[[j]], -Inf, base, cut),
                      high = limit(constrained, beta[[j]], se[[j]], Inf, base, cut))
  }
  rows
}
cases <- fromJSON("mixed_cases.json", simplifyVector = FALSE)
wanted <- commandArgs(TRUE)
if (!length(wanted)) wanted <- c("sleepstudy", "dyestuff", "dyestuff2", "penicillin", "pastes_implicit", "orthodont",
                                 "sessions_weighted", "slopes_uncorrelated", "clinics_slope", "raters_slope")
out <- list()
for (name in wanted) {
  s <- cases[[name]]
  d <- read.csv(sprintf("data/%s.csv", s$data), stringsAsFactors = TRUE, na.strings = "")
  formula <- as.formula(s$formula)
  for (g in unique(unlist(lapply(findbars(formula), function(b) all.vars(b[[3]]))))) d[[g]] <- factor(d[[g]])
  w <- if (is.null(s$weights)) NULL else d[[s$weights]]
  m <- quietly(do.call(lmer, list(formula, d, REML = FALSE, control = tight, weights = w)))
  cut <- qchisq(0.95, 1)
  rows <- c(variance_limits(m, cut), fixed_limits(m, formula, d, w, cut))
  usual <- tryCatch(quietly(confint(profile(m, signames = FALSE))), error = function(e) NULL)
  for (k in seq_along(rows)) if (!is.null(usual)) { v <- usual[rows[[k]]$name, ]
    rows[[k]]$lme4_low <- if (is.na(v[1])) NULL else v[[1]]; rows[[k]]$lme4_high <- if (is.na(v[2])) NULL else v[[2]] }
  out[[name]] <- list(level = 0.95, rtol = 1e-5, software = sprintf("R %s, lme4 %s, nloptr %s", getRversion(),
                      packageVersion("lme4"), packageVersion("nloptr")), limits = rows)
  cat(name, "\n")
  write(toJSON(out, digits = NA, auto_unbox = TRUE, null = "null"), "profile.json")
}
