# Golden values for alliance_stats.process.reciprocal: random-intercept cross-lagged and dynamic panel models. lavaan.
# Run: Rscript reciprocal.R > reciprocal.json   (writes data/reciprocal.csv, one row per patient and session, first)
suppressPackageStartupMessages({library(lavaan); library(jsonlite)})
options(warn = -1)
set.seed(20170)
n <- 260; waves <- 5
k <- matrix(rnorm(2 * n), n) %*% chol(matrix(c(9, -5, -5, 36), 2))
w <- matrix(0, n, 2)
phi <- matrix(c(0.35, -0.35, -0.04, 0.30), 2)
rows <- list()
for (t in -30:waves) {
  w <- w %*% t(phi) + matrix(rnorm(2 * n), n) %*% chol(matrix(c(4, -2, -2, 16), 2))
  if (t >= 1) rows[[t]] <- data.frame(patient = 1:n, session = t, alliance = round(50 + 0.5 * t + k[, 1] + w[, 1], 3),
                                      symptom = round(24 - t + k[, 2] + w[, 2], 3))
}
long <- do.call(rbind, rows)
long <- long[order(long$patient, long$session), ]
last <- ifelse(runif(n) < 0.3, sample(2:4, n, TRUE), waves)
long$gap_alliance <- long$alliance; long$gap_symptom <- long$symptom
long$gap_alliance[runif(nrow(long)) < 0.08 | long$session > last[long$patient]] <- NA
long$gap_symptom[runif(nrow(long)) < 0.08 | long$session > last[long$patient]] <- NA
write.csv(long, "data/reciprocal.csv", row.names = FALSE, quote = FALSE)
long <- read.csv("data/reciprocal.csv")
wide <- function(a, y, waves) {
  out <- data.frame(matrix(NA, n, 0))
  for (t in 1:waves) out[[paste0("a", t)]] <- long[[a]][long$session == t]
  for (t in 1:waves) out[[paste0("y", t)]] <- long[[y]][long$session == t]
  out[rowSums(!is.na(out)) > 0, ]
}
ri_clpm <- function(waves, constant) {
  a <- paste0("a", 1:waves); y <- paste0("y", 1:waves)
  text <- c(paste("ia =~", paste0("1*", a, collapse = " + ")), paste("iy =~", paste0("1*", y, collapse = " + ")),
            "ia ~~ ia", "iy ~~ iy", "ia ~~ iy", paste(c(a, y), "~ 1"),
            paste0("wa", 1:waves, " =~ 1*", a), paste0("wy", 1:waves, " =~ 1*", y),
            paste0("wa", 1:waves, " ~~ wa", 1:waves), paste0("wy", 1:waves, " ~~ wy", 1:waves), paste0("wa", 1:waves, " ~~ wy", 1:waves))
  for (t in 2:waves) {
    s <- if (constant) "" else t
    text <- c(text, paste0("wa", t, " ~ aa", s, "*wa", t - 1, " + ay", s, "*wy", t - 1),
              paste0("wy", t, " ~ ya", s, "*wa", t - 1, " + yy", s, "*wy", t - 1))
  }
  paste(text, collapse = "\n")
}
panel <- function(waves, constant, y, x) {
  given <- c(paste0(x, 1:(waves - 1)), paste0(y, 1))
  text <- c(paste("effect =~", paste0("1*", y, 2:waves, collapse = " + ")), "effect ~~ effect", paste("effect ~~", given),
            paste(c(given, paste0(y, 2:waves)), "~ 1"))
  for (i in seq_along(given)) for (j in 1:i) text <- c(text, paste(given[i], "~~", given[j]))
  for (t in 2:waves) {
    s <- if (constant) "" else t
    text <- c(text, paste0(y, t, " ~ yy", s, "*", y, t - 1, " + yx", s, "*", x, t - 1), paste0(y, t, " ~~ ", y, t))
    if (t < waves) for (later in t:(waves - 1)) text <- c(text, paste0(y, t, " ~~ ", x, later))
  }
  paste(text, collapse = "\n")
}
measures <- c("chisq", "df", "pvalue", "cfi", "tli", "rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "srmr", "logl", "npar")
tight <- list(rel.tol = 1e-14, eval.max = 20000, iter.max = 20000)
describe <- function(model, data, missing) {
  settings <- list(model = model, data = data, meanstructure = TRUE, fixed.x = FALSE, missing = if (missing) "fiml" else "listwise")
  strict <- list(control = tight, optim.force.converged = TRUE, em.h1.iter.max = 100000, em.h1.tol = 1e-12)
  fit <- do.call(lavaan, c(settings, strict))
  # From usual starting values with tight tolerances lavaan can run astray; then the search starts at the usual solution.
  if (anyNA(parameterEstimates(fit)$se)) fit <- do.call(lavaan, c(settings, strict, list(start = do.call(lavaan, settings))))
  est <- parameterEstimates(fit)
  keep <- (est$label != "" & est$op == "~" & !duplicated(est$label)) | (est$op == "~~" & est$lhs %in% c("ia", "iy", "effect") & est$rhs %in% c("ia", "iy", "effect"))
  names <- ifelse(est$label != "", est$label, paste0(est$lhs, "~~", est$rhs))[keep]
  list(estimate = as.list(setNames(est$est[keep], names)), std_error = as.list(setNames(est$se[keep], names)),
       fit = as.list(fitMeasures(fit, measures)), gradient = max(abs(lavInspect(fit, "gradient"))), n = lavInspect(fit, "nobs"))
}
# lavaan prints matrices on its way through covariances that are not positive definite.
sink("/dev/null")
out <- list(software = paste("lavaan", packageVersion("lavaan")), source = "tests/golden/reciprocal.R")
for (waves in c(4, 5)) for (missing in c(FALSE, TRUE)) for (constant in c(TRUE, FALSE)) {
  data <- wide(if (missing) "gap_alliance" else "alliance", if (missing) "gap_symptom" else "symptom", waves)
  name <- paste(waves, if (missing) "gaps" else "complete", if (constant) "constant" else "by_session", sep = "_")
  out[[name]] <- list(ri_clpm = describe(ri_clpm(waves, constant), data, missing),
                      panel_symptom = describe(panel(waves, constant, "y", "a"), data, missing),
                      panel_alliance = describe(panel(waves, constant, "a", "y"), data, missing))
}
sink()
cat(toJSON(out, digits = 14, auto_unbox = TRUE, pretty = TRUE, na = "null"), "\n")
