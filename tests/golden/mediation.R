# Golden values for alliance_stats.process.mediation. nlme (stacked outcome, residual variance by equation) and lme4 (equation
# by equation). Run: Rscript mediation.R > mediation.json   (writes data/mediation.csv, one row per patient and session, first)
suppressPackageStartupMessages({library(nlme); library(lme4); library(jsonlite)})
set.seed(2006)
n <- 150; sessions <- 9
u <- matrix(rnorm(5 * n), n) %*% chol(matrix(c(1, .3, 0, 0, 0, .3, 1, 0, 0, 0, 0, 0, .16, .1, 0, 0, 0, .1, .16, 0, 0, 0, 0, 0, .09), 5))
treated <- rep(0:1, length.out = n)
x <- matrix(rnorm(n * sessions), n) + rnorm(n)
m <- 0.7 * treated + u[, 1] + matrix(rnorm(n * sessions), n)
m[, -1] <- m[, -1] + (0.5 + u[, 3]) * x[, -sessions]
y <- 0.4 * treated + 0.5 * u[, 1] + u[, 2] + matrix(rnorm(n * sessions, sd = 1.5), n)
y[, -(1:2)] <- y[, -(1:2)] + (0.6 + u[, 4]) * m[, 2:(sessions - 1)] + (0.2 + u[, 5]) * x[, 1:(sessions - 2)]
long <- data.frame(patient = rep(1:n, each = sessions), session = rep(1:sessions, n), treated = rep(treated, each = sessions),
                   x = round(10 + 2 * as.vector(t(x)), 3), m = round(50 + 4 * as.vector(t(m)), 3), y = round(20 + 3 * as.vector(t(y)), 3))
long <- long[runif(nrow(long)) > 0.06, ]
long$m[runif(nrow(long)) < 0.03] <- NA
write.csv(long, "data/mediation.csv", row.names = FALSE, quote = FALSE)
long <- read.csv("data/mediation.csv")
later <- function(name, steps) long[[name]][match(paste(long$patient, long$session + steps), paste(long$patient, long$session))]
within <- function(v, p) v - ave(v, p)
out <- list(software = paste("nlme", packageVersion("nlme"), "lme4", packageVersion("lme4")), source = "tests/golden/mediation.R")

chain <- data.frame(patient = long$patient, x = long$x, m = later("m", 1), y = later("y", 2))
chain <- chain[complete.cases(chain), ]
chain$xw <- within(chain$x, chain$patient); chain$mw <- within(chain$m, chain$patient)
top <- with(chain, data.frame(patient, equation = "m", z = m, sm = 1, sy = 0, mx = xw, yx = 0, ym = 0))
low <- with(chain, data.frame(patient, equation = "y", z = y, sm = 0, sy = 1, mx = 0, yx = xw, ym = mw))
both <- rbind(top, low)
tight <- lmeControl(maxIter = 500, msMaxIter = 5000, msMaxEval = 20000, tolerance = 1e-10, msTol = 1e-12, opt = "nlminb", returnObject = TRUE)
stacked <- function(fixed, random) {
  fit <- lme(fixed, random = random, data = both, weights = varIdent(form = ~ 1 | equation), method = "REML", control = tight)
  G <- getVarCov(fit); V <- vcov(fit); a <- fixef(fit)[["mx"]]; b <- fixef(fit)[["ym"]]
  cov_ab <- if (all(c("mx", "ym") %in% rownames(G))) G["mx", "ym"] else 0
  # Bauer, Preacher & Gil (2006), without the sampling variance of cov_ab, which nlme does not give.
  var_ab <- b^2 * V["mx", "mx"] + a^2 * V["ym", "ym"] + 2 * a * b * V["mx", "ym"] + V["mx", "mx"] * V["ym", "ym"] + V["mx", "ym"]^2
  list(n_chains = nrow(both) / 2, n_patients = length(unique(both$patient)), a = a, b = b, c_prime = fixef(fit)[["yx"]],
       cov_ab = cov_ab, indirect = a * b + cov_ab, var_a = V["mx", "mx"], var_b = V["ym", "ym"], var_c = V["yx", "yx"],
       cov_of_ab = V["mx", "ym"], var_of_product = var_ab, log_likelihood = as.numeric(logLik(fit)),
       ratio = unname(coef(fit$modelStruct$varStruct, unconstrained = FALSE)))
}
effects <- z ~ 0 + sm + mx + sy + ym + yx
# The sampling variance of cov_ab: curvature of the REML criterion written out patient by patient, at its own maximum from nlme's
# (nlme's apVar comes from coarse differences).
covariance_variance <- function(fit) {
  x <- model.matrix(effects, both); z <- as.matrix(both[c("sm", "sy", "mx", "ym")]); parts <- split(seq_len(nrow(both)), both$patient)
  reml <- function(p) {
    root <- matrix(0, 4, 4); root[lower.tri(root, diag = TRUE)] <- p[1:10]; covariance <- tcrossprod(root)
    error <- ifelse(both$equation == "y", exp(p[12]), exp(p[11]))^2
    total <- matrix(0, 6, 6); logs <- 0
    for (rows in parts) {
      upper <- chol(z[rows, , drop = FALSE] %*% covariance %*% t(z[rows, , drop = FALSE]) + diag(error[rows]))
      total <- total + crossprod(backsolve(upper, cbind(x, both$z)[rows, ], transpose = TRUE)); logs <- logs + 2 * sum(log(diag(upper)))
    }
    top <- total[1:5, 1:5]
    0.5 * (logs + total[6, 6] - sum(total[1:5, 6] * solve(top, total[1:5, 6])) + as.numeric(determinant(top)$modulus))
  }
  root <- t(chol(matrix(getVarCov(fit), 4))); ratio <- coef(fit$modelStruct$varStruct, unconstrained = FALSE)
  start <- c(root[lower.tri(root, diag = TRUE)], log(fit$sigma), log(fit$sigma * ratio))
  if (names(ratio) != "y") start[11:12] <- start[12:11]
  found <- optim(start, reml, method = "BFGS", control = list(reltol = 1e-15, maxit = 2000))$par
  curvature <- optimHess(found, reml, control = list(ndeps = rep(1e-3, 12)))
  # cov_ab = root[3, 1:3] . root[4, 1:3], elements 3, 6, 8 and 4, 7, 9 of the column-wise lower triangle.
  gradient <- numeric(12); gradient[c(3, 6, 8)] <- found[c(4, 7, 9)]; gradient[c(4, 7, 9)] <- found[c(3, 6, 8)]
  c(cov_ab = sum(found[c(3, 6, 8)] * found[c(4, 7, 9)]), variance = sum(gradient * solve(curvature, gradient)))
}
out$stacked <- c(stacked(effects, ~ 0 + sm + sy + mx + ym | patient), sd_m = sd(chain$m), sd_y = sd(chain$y))
exact <- covariance_variance(lme(effects, random = ~ 0 + sm + sy + mx + ym | patient, data = both, weights = varIdent(form = ~ 1 | equation), control = tight))
out$stacked$var_cov_ab <- exact[["variance"]]; out$stacked$cov_ab_written_out <- exact[["cov_ab"]]
out$fixed_slopes <- stacked(effects, ~ 0 + sm + sy | patient)
out$all_slopes <- stacked(effects, ~ 0 + sm + sy + mx + ym + yx | patient)

# Mediator and outcome of the predictor's session held fixed in both equations, as deviations from patients' means.
chain <- data.frame(patient = long$patient, x = long$x, m = later("m", 1), y = later("y", 2), m0 = long$m, y0 = long$y)
chain <- chain[complete.cases(chain), ]
for (name in c("x", "m", "m0", "y0")) chain[[paste0(name, "w")]] <- within(chain[[name]], chain$patient)
top <- with(chain, data.frame(patient, equation = "m", z = m, sm = 1, sy = 0, mx = xw, yx = 0, ym = 0, mm0 = m0w, my0 = y0w, ym0 = 0, yy0 = 0))
low <- with(chain, data.frame(patient, equation = "y", z = y, sm = 0, sy = 1, mx = 0, yx = xw, ym = mw, mm0 = 0, my0 = 0, ym0 = m0w, yy0 = y0w))
both <- rbind(top, low)
out$previous <- stacked(z ~ 0 + sm + mx + sy + ym + yx + mm0 + my0 + ym0 + yy0, ~ 0 + sm + sy + mx + ym | patient)

chain <- data.frame(patient = long$patient, treated = long$treated, m = long$m, y = later("y", 1))
chain <- chain[complete.cases(chain), ]
chain$mw <- within(chain$m, chain$patient); chain$mp <- ave(chain$m, chain$patient)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))
one <- lmer(m ~ treated + (1 | patient), chain, control = tight)
two <- lmer(y ~ mw + mp + treated + (1 + mw | patient), chain, control = tight)
se <- function(fit) sqrt(diag(as.matrix(vcov(fit))))
out$between <- list(n_chains = nrow(chain), a = fixef(one)[["treated"]], se_a = se(one)[["treated"]], b = fixef(two)[["mp"]],
  se_b = se(two)[["mp"]], c_prime = fixef(two)[["treated"]], se_c = se(two)[["treated"]], b_within = fixef(two)[["mw"]],
  se_b_within = se(two)[["mw"]])
cat(toJSON(out, digits = 14, auto_unbox = TRUE, pretty = TRUE), "\n")
