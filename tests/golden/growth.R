# Makes growth.json: growth models of lme4 and lmerTest (Satterthwaite), an lme check by nlme, and the profile of a break by a
# grid and optimize. Run it in this folder. Simulates data/growth_course.csv (nobody's data), R 4.2.2.
suppressMessages({library(lme4); library(lmerTest); library(nlme); library(jsonlite)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e6), calc.derivs = FALSE,
                     check.conv.singular = "ignore")
fit <- function(formula, d, REML = TRUE) {
  m <- suppressMessages(do.call(lmerTest::lmer, list(formula, d, REML = REML, control = tight)))
  for (again in 1:2) m <- suppressMessages(do.call(lmerTest::lmer, list(formula, d, REML = REML, control = tight,
                                                                       start = getME(m, "theta"))))
  m
}
set.seed(20240502)
n <- 60; times <- c(0, 1, 2, 3, 4, 6, 8, 10, 12, 15, 18, 21, 24)
d <- expand.grid(week = times, patient = seq_len(n)); d$arm <- ifelse(d$patient %% 2 == 0, "brief", "waiting")
b <- rnorm(n, 0, 4); s <- rnorm(n, 0, .35)
slope <- ifelse(d$arm == "brief", -1.4, -.6); later <- ifelse(d$arm == "brief", .25, -.1)
d$distress <- round(30 + b[d$patient] + (slope + s[d$patient]) * pmin(d$week, 9) + later * pmax(d$week - 9, 0) +
                    rnorm(nrow(d), 0, 2.5), 2)
d <- d[runif(nrow(d)) > .1, ]; d$patient <- sprintf("Q%02d", d$patient)
write.csv(d, "data/growth_course.csv", row.names = FALSE)
d <- read.csv("data/growth_course.csv", stringsAsFactors = TRUE)
d$e <- d$week; d$l <- log(d$week + 1); d$e2 <- d$week^2; d$p1 <- pmin(d$week, 12); d$p2 <- pmax(d$week - 12, 0)
base <- d[d$week == 0, ]; groups <- split(base$distress, base$arm)
sd0 <- sqrt(sum(sapply(groups, function(v) sum((v - mean(v))^2))) / (nrow(base) - 2))
answer <- function(m, L) { c <- contest1D(m, L); list(estimate = c$Estimate, std_error = c$`Std. Error`, df = c$df, p_value = c$`Pr(>|t|)`) }
models <- list(
  linear = list(f = distress ~ e * arm + (1 + e | patient), within = c(0, 24, 0, 0), between = c(0, 0, 0, 24)),
  log = list(f = distress ~ l * arm + (1 + l | patient), within = c(0, log(25), 0, 0), between = c(0, 0, 0, log(25))),
  quadratic = list(f = distress ~ (e + e2) * arm + (1 + e | patient), within = c(0, 24, 576, 0, 0, 0),
                   between = c(0, 0, 0, 0, 24, 576)),
  piecewise = list(f = distress ~ (p1 + p2) * arm + (1 + p1 + p2 | patient), within = c(0, 12, 12, 0, 0, 0),
                   between = c(0, 0, 0, 0, 12, 12)))
out <- list(r = R.version.string, lme4 = as.character(packageVersion("lme4")), baseline_sd = sd0)
for (name in names(models)) {
  m <- fit(models[[name]]$f, d)
  out[[name]] <- list(fixed = as.numeric(fixef(m)), std_error = as.numeric(sqrt(diag(as.matrix(vcov(m))))),
                      criterion = as.numeric(-2 * logLik(m)), within = answer(m, models[[name]]$within),
                      between = answer(m, models[[name]]$between))
}
check <- lme(distress ~ e * arm, random = ~ 1 + e | patient, data = d, method = "REML", control = lmeControl(tolerance = 1e-12, msTol = 1e-12))
out$nlme_linear <- list(fixed = as.numeric(fixef(check)), std_error = as.numeric(sqrt(diag(vcov(check)))))

# The break: ML deviance with the bend at psi, random intercept and slope of elapsed time.
deviance_at <- function(psi) {
  d$a <- pmin(d$week, psi); d$z <- pmax(d$week - psi, 0)
  as.numeric(-2 * logLik(fit(distress ~ (a + z) * arm + (1 + e | patient), d, REML = FALSE)))
}
inner <- sort(unique(d$week)); inner <- inner[2:(length(inner) - 1)]
grid <- sort(c(inner, (head(inner, -1) + tail(inner, -1)) / 2)); heights <- sapply(grid, deviance_at)
k <- which.min(heights)
left <- optimize(deviance_at, c(grid[k - 1], grid[k]), tol = 1e-8); right <- optimize(deviance_at, c(grid[k], grid[k + 1]), tol = 1e-8)
best <- if (left$objective < right$objective) left else right
lowest <- min(best$objective, heights); cut <- qchisq(.95, 1)
over <- function(psi) deviance_at(psi) - lowest - cut
inside <- which(heights - lowest <= cut)
out[["break"]] <- list(grid = grid, deviance = heights, estimate = best$minimum, lowest = lowest,
                       low = uniroot(over, grid[c(min(inside) - 1, min(inside))], tol = 1e-8)$root,
                       high = uniroot(over, grid[c(max(inside), max(inside) + 1)], tol = 1e-8)$root)
write(toJSON(out, digits = NA, auto_unbox = TRUE, pretty = TRUE), "growth.json")
