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
fit <- lme(z ~ 0 + sm + mx + sy + ym + yx, random = ~ 0 + sm + sy + mx + ym | patient, data = both,
           weights = varIdent(form = ~ 1 | equation), method = "REML",
           control = lmeControl(maxIter = 500, msMaxIter = 5000, msMaxEval = 20000, tolerance = 1e-10, msTol = 1e-12, opt = "nlminb", returnObject = TRUE))
G <- getVarCov(fit); V <- vcov(fit)
out$stacked <- list(n_chains = nrow(chain), n_patients = length(unique(chain$patient)), a = fixef(fit)[["mx"]], b = fixef(fit)[["ym"]],
  c_prime = fixef(fit)[["yx"]], cov_ab = G["mx", "ym"], var_a = V["mx", "mx"], var_b = V["ym", "ym"], cov_of_ab = V["mx", "ym"],
  ratio = unname(coef(fit$modelStruct$varStruct, unconstrained = FALSE)), sd_m = sd(chain$m), sd_y = sd(chain$y))

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
