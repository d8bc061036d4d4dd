# Makes therapist_effects.json: variance shares with REML profile limits, conditional modes and SDs, expected ranks and
# reliabilities from lme4. Run it in this folder. lme4 is pushed to its optimum as in mixed_models.R.
suppressMessages({library(lme4); library(jsonlite)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e6), calc.derivs = FALSE,
                     check.conv.singular = "ignore")
fit <- function(formula, d) {
  m <- suppressMessages(do.call(lmer, list(formula, d, control = tight)))
  for (again in 1:3) m <- suppressMessages(do.call(lmer, list(formula, d, control = tight, start = getME(m, "theta"))))
  m
}
sessions <- read.csv("data/alliance_sessions.csv")
sessions$intake <- ave(sessions$distress, sessions$patient, FUN = function(v) v[1])
clinics <- read.csv("data/alliance_clinics.csv")
clinics$person <- seq_len(nrow(clinics))
cut <- qchisq(.95, 1)

# The share rho is held; with patients, theta_t^2 = rho / (1 - rho) * (theta_p^2 + residual); r = residual in the denominator.
limits_one <- function(m) {
  dev <- as.function(m); best <- dev(getME(m, "theta")); own <- getME(m, "theta")^2 / (1 + getME(m, "theta")^2)
  excess <- function(rho) dev(sqrt(rho / (1 - rho))) - best - cut
  list(estimate = own, low = if (excess(0) <= 0) 0 else uniroot(excess, c(0, own), tol = 1e-12)$root,
       high = uniroot(excess, c(own, .999), tol = 1e-12)$root)
}
limits_two <- function(m, r) {
  dev <- as.function(m); th <- getME(m, "theta"); best <- dev(th); p <- th[1]; t <- th[2]
  own <- t^2 / (t^2 + p^2 + r)
  held <- function(rho) {
    g <- if (r > 0) function(p) dev(c(p, sqrt(rho / (1 - rho) * (p^2 + r)))) else function(s) dev(c(sqrt(1 - rho) * s, sqrt(rho) * s))
    optimize(g, c(0, 6), tol = 1e-10)$objective - best - cut
  }
  list(estimate = own, low = if (held(0) <= 0) 0 else uniroot(held, c(0, own), tol = 1e-12)$root,
       high = uniroot(held, c(own, .999), tol = 1e-12)$root)
}
levels_of <- function(m, group) {
  re <- ranef(m, condVar = TRUE)[[group]]; b <- re[, 1]; s <- sqrt(attr(re, "postVar")[1, 1, ])
  rank <- sapply(seq_along(b), function(i) 1 + sum(pnorm((b[i] - b[-i]) / sqrt(s[i]^2 + s[-i]^2))))
  list(label = rownames(re), estimate = b, std_error = s, expected_rank = rank)
}
harmonic <- function(d) { n <- table(d$patient); length(n) / sum(1 / n) }
out <- list(r = R.version.string, lme4 = as.character(packageVersion("lme4")))
two <- function(formula) {
  m <- fit(formula, sessions)
  list(variance = as.numeric(VarCorr(m)$therapist[1, 1]), all = limits_two(m, 1), means = limits_two(m, 1 / harmonic(sessions)),
       patients = limits_two(m, 0), levels = levels_of(m, "therapist"))
}
out$sessions <- two(distress ~ session + (1 | patient) + (1 | therapist))
out$sessions_intake <- two(distress ~ session + intake + (1 | patient) + (1 | therapist))
m <- fit(outcome ~ alliance + (1 | clinic), clinics)
out$clinics <- list(variance = as.numeric(VarCorr(m)$clinic[1, 1]), all = limits_one(m), levels = levels_of(m, "clinic"))
write(toJSON(out, digits = NA, auto_unbox = TRUE, pretty = TRUE), "therapist_effects.json")
