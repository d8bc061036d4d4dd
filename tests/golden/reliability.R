# Golden values for alliance_stats.scales.reliability. Base R only; run: Rscript reliability.R > reliability.json
# Twelve patients, five sessions each, four items; whole numbers from a formula, so that no random numbers are needed.
patient <- rep(1:12, each = 5)
session <- rep(1:5, times = 12)
item <- function(k) {
  trait <- 3 + 2 * sin(patient * 1.7)
  state <- sin(patient * 2.3 + session * 1.9)
  noise <- 1.4 * sin(patient * 5.1 * k + session * 3.7 * k)
  pmin(7, pmax(1, round(trait + state + noise + k / 3)))
}
x <- sapply(1:4, item)
k <- ncol(x)

alpha <- function(x) k / (k - 1) * (1 - sum(apply(x, 2, var)) / var(rowSums(x)))
feldt <- function(a, df, level = 0.95) {
  tail <- (1 - level) / 2
  c(1 - (1 - a) * qf(1 - tail, df, df * (k - 1)), 1 - (1 - a) * qf(tail, df, df * (k - 1)))
}
# Independent route to alpha: two-way analysis of variance, 1 - MS(residual) / MS(rows).
long <- data.frame(y = c(x), row = factor(rep(seq_len(nrow(x)), k)), item = factor(rep(1:k, each = nrow(x))))
ms <- anova(lm(y ~ row + item, long))[["Mean Sq"]]
stopifnot(all.equal(alpha(x), 1 - ms[3] / ms[1]))

r <- cor(x)
rbar <- mean(r[upper.tri(r)])
means <- apply(x, 2, function(column) tapply(column, patient, mean))
deviations <- x - apply(x, 2, function(column) ave(column, patient))
rest <- sapply(1:k, function(j) cor(x[, j], rowSums(x[, -j])))
dropped <- sapply(1:k, function(j) {
  y <- x[, -j]
  (k - 1) / (k - 2) * (1 - sum(apply(y, 2, var)) / var(rowSums(y)))
})

number <- function(v) paste0("[", paste(sprintf("%.15g", v), collapse = ", "), "]")
cat(paste0(
  "{\n",
  '  "source": "tests/golden/reliability.R",\n',
  '  "software": "', R.version.string, '",\n',
  '  "rtol": 1e-10,\n',
  '  "patient": ', number(patient), ",\n",
  paste0('  "item', 1:k, '": ', apply(x, 2, number), collapse = ",\n"), ",\n",
  '  "alpha": ', number(alpha(x)), ",\n",
  '  "alpha_interval": ', number(feldt(alpha(x), nrow(x) - 1)), ",\n",
  '  "alpha_interval_90": ', number(feldt(alpha(x), nrow(x) - 1, 0.90)), ",\n",
  '  "standardized_alpha": ', number(k * rbar / (1 + (k - 1) * rbar)), ",\n",
  '  "mean_item_correlation": ', number(rbar), ",\n",
  '  "means_alpha": ', number(alpha(means)), ",\n",
  '  "means_interval": ', number(feldt(alpha(means), nrow(means) - 1)), ",\n",
  '  "deviations_alpha": ', number(alpha(deviations)), ",\n",
  '  "deviations_interval": ', number(feldt(alpha(deviations), nrow(x) - nrow(means))), ",\n",
  '  "item_mean": ', number(colMeans(x)), ",\n",
  '  "item_sd": ', number(apply(x, 2, sd)), ",\n",
  '  "item_rest_correlation": ', number(rest), ",\n",
  '  "alpha_if_dropped": ', number(dropped), "\n",
  "}\n"
))
