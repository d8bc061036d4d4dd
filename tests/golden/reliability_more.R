# Golden values for omega of several parts of the data and for its delta-method error. lavaan, psych, jsonlite.
# Run: Rscript reliability_more.R > reliability_more.json
suppressPackageStartupMessages({library(lavaan); library(psych); library(jsonlite)})
all <- read.csv("data/alliance_items.csv")
items <- paste0("i", c(1, 2, 4, 7))
tight <- list(rel.tol = 1e-13, eval.max = 5000, iter.max = 5000)
options(warn = -1)
model <- "f =~ NA*i1 + l1*i1 + l2*i2 + l3*i4 + l4*i7
f ~~ 1*f
i1 ~~ r1*i1
i2 ~~ r2*i2
i4 ~~ r3*i4
i7 ~~ r4*i7
omega := (l1+l2+l3+l4)^2 / ((l1+l2+l3+l4)^2 + r1+r2+r3+r4)"
omega_of <- function(S, n) {
  fit <- cfa(model, sample.cov = S, sample.nobs = n, sample.cov.rescale = FALSE, control = tight, optim.force.converged = TRUE)
  est <- parameterEstimates(fit)
  list(estimate = est$est[est$op == ":="], se = est$se[est$op == ":="], loadings = est$est[est$op == "=~"])
}
x <- as.matrix(all[items])
means <- apply(x, 2, function(column) tapply(column, all$patient, mean))
deviations <- x - apply(x, 2, function(column) ave(column, all$patient))
within <- crossprod(deviations) / (nrow(x) - nrow(means))
first <- as.matrix(all[all$session == 1, paste0("i", 1:9)])
om <- suppressWarnings(suppressMessages(omega(first, nfactors = 3, plot = FALSE)))
two <- suppressWarnings(suppressMessages(omega(first, nfactors = 2, plot = FALSE, option = "equal")))
out <- list(
  software = paste(R.version.string, "lavaan", packageVersion("lavaan"), "psych", packageVersion("psych")),
  source = "tests/golden/reliability_more.R",
  rows = omega_of(cov(x), nrow(x)), cluster_means = omega_of(cov(means), nrow(means)),
  cluster_deviations = omega_of(within, nrow(x) - nrow(means)),
  psych_3 = list(omega_h = om$omega_h, omega_total = om$omega.tot, general = as.numeric(om$schmid$sl[, "g"])),
  psych_2 = list(omega_h = two$omega_h, omega_total = two$omega.tot))
cat(toJSON(out, digits = 14, auto_unbox = TRUE, pretty = TRUE, na = "null"), "\n")
