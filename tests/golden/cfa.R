# Golden values for alliance_stats.scales.confirmatory and within_omega. lavaan; run: Rscript cfa.R > cfa.json
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
all <- read.csv("data/alliance_items.csv")
first <- all[all$session == 1, ]
items <- paste0("i", 1:9)
three <- "a =~ i1+i2+i3
b =~ i4+i5+i6
c =~ i7+i8+i9"
# The optimiser reports false convergence at such tolerances although the gradient vanishes.
tight <- list(rel.tol = 1e-13, eval.max = 5000, iter.max = 5000)
options(warn = -1)
measures <- c("chisq", "df", "pvalue", "cfi", "tli", "rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "srmr", "logl",
              "baseline.chisq", "baseline.df")
describe <- function(fit) {
  est <- parameterEstimates(fit)
  std <- standardizedSolution(fit)
  keep <- est$op %in% c("=~", "~~", "~1")
  list(names = paste0(est$lhs, est$op, est$rhs)[keep], est = est$est[keep], se = est$se[keep], std = std$est.std[keep],
       std_se = std$se[keep], fit = as.list(fitMeasures(fit, measures)))
}
out <- list(software = paste("lavaan", packageVersion("lavaan")), source = "tests/golden/cfa.R")
out$marker <- describe(cfa(three, first, control = tight, optim.force.converged = TRUE))
out$unit_variance <- describe(cfa(three, first, std.lv = TRUE, control = tight, optim.force.converged = TRUE))
out$residual <- describe(cfa(paste(three, "\ni1 ~~ i4"), first, std.lv = TRUE, control = tight, optim.force.converged = TRUE))
out$orthogonal <- describe(cfa(three, first, std.lv = TRUE, orthogonal = TRUE, control = tight, optim.force.converged = TRUE))
gaps <- first
for (j in seq_along(items)) gaps[(first$patient * 7 + j * 5) %% 11 == 0, items[j]] <- NA
gaps[gaps$patient %in% c(17, 90), items] <- NA
out$fiml <- describe(cfa(three, gaps, std.lv = TRUE, missing = "ml", control = tight, optim.force.converged = TRUE, em.h1.iter.max = 100000, em.h1.tol = 1e-12))

omega <- "f =~ NA*i1 + l1*i1 + l2*i2 + l3*i3 + l4*i4
f ~~ 1*f
i1 ~~ r1*i1
i2 ~~ r2*i2
i3 ~~ r3*i3
i4 ~~ r4*i4
omega := (l1+l2+l3+l4)^2 / ((l1+l2+l3+l4)^2 + r1+r2+r3+r4)"
fit <- cfa(omega, first, control = tight, optim.force.converged = TRUE)
est <- parameterEstimates(fit)
out$omega <- list(estimate = est$est[est$op == ":="], se = est$se[est$op == ":="])

level <- function(tag) {
  l <- paste0("l", tag, 1:4); r <- paste0("r", tag, 1:4)
  paste0("f =~ NA*i1 + ", paste0(l, "*i", c(1, 2, 4, 7), collapse = " + "), "\nf ~~ 1*f\n",
         paste0("i", c(1, 2, 4, 7), " ~~ ", r, "*i", c(1, 2, 4, 7), collapse = "\n"))
}
defined <- function(tag) {
  l <- paste0("l", tag, 1:4, collapse = "+"); r <- paste0("r", tag, 1:4, collapse = "+")
  paste0("omega_", tag, " := (", l, ")^2 / ((", l, ")^2 + ", r, ")")
}
model <- paste0("level: 1\n", level("w"), "\nlevel: 2\n", level("b"), "\n", defined("w"), "\n", defined("b"))
fit <- sem(model, all, cluster = "patient", control = tight, optim.force.converged = TRUE, em.h1.iter.max = 100000, em.h1.tol = 1e-12)
est <- parameterEstimates(fit)
# Free covariances at both levels, written out: lavaan's own EM for them stops at about 4 digits.
four <- paste0("i", c(1, 2, 4, 7))
pairs <- outer(four, four, paste, sep = " ~~ ")[upper.tri(diag(4), diag = TRUE)]
free <- sem(paste(c("level: 1", pairs, "level: 2", pairs), collapse = "\n"), all, cluster = "patient", control = tight,
            optim.force.converged = TRUE)
implied <- lavInspect(free, "implied")
h1 <- list(within = list(cov = implied$within$cov[four, four]), patient = list(cov = implied$patient$cov[four, four]))
out$two_level <- list(
  omega_within = est$est[est$lhs == "omega_w"], omega_between = est$est[est$lhs == "omega_b"],
  se_within = est$se[est$lhs == "omega_w"], se_between = est$se[est$lhs == "omega_b"],
  loadings_within = est$est[est$op == "=~" & est$level == 1], loadings_between = est$est[est$op == "=~" & est$level == 2],
  logl = as.numeric(logLik(fit)), chisq = 2 * (as.numeric(logLik(free)) - as.numeric(logLik(fit))), df = as.numeric(fitMeasures(fit, "df")),
  h1_within = as.numeric(h1$within$cov), h1_between = as.numeric(h1$patient$cov))
cat(toJSON(out, digits = 14, auto_unbox = TRUE, pretty = TRUE, na = "null"), "\n")
