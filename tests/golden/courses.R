# Golden values for sudden gains, instability and synchrony; run in tests/golden: Rscript courses.R
# Ratings come from formulas, so that no random numbers are needed. The criteria are written out here from their descriptions
# (see alliance_stats/process/criteria/sudden_gains.toml); R package suddengains is not used.
suppressMessages({library(jsonlite); library(psych)})
patients <- 1:80
sessions <- 1:12
table <- t(sapply(patients, function(i) {
  drop <- ifelse(i %% 3 == 0, 0, (i * 5) %% 17) * (sessions > 3 + i %% 6)
  back <- ifelse(i %% 7 == 0, 9, 0) * (sessions > 9)
  round(30 - 0.5 * sessions - drop + back + 5 * sin(i * 1.7 + sessions * (1 + (i %% 5) / 3)) + 3 * sin(sessions^2 * i))
}))
table[(outer(patients, sessions, function(i, j) (i * 7 + j * 5) %% 7)) == 0] <- NA

gains <- function(form) {
  found <- NULL
  for (i in patients) for (n in 1:11) {
    x <- table[i, ]
    around <- function(k) ifelse(k >= 1 & k <= 12, x[pmin(12, pmax(1, k))], NA)
    before <- around(n - 2:0)
    after <- around(n + 1:3)
    if (is.na(before[3]) || is.na(after[1])) next
    big <- before[3] - after[1] >= 7 && before[3] - after[1] >= 0.25 * before[3]
    b <- before[!is.na(before)]
    a <- after[!is.na(after)]
    enough <- length(b) >= 2 && length(a) >= 2
    if (form %in% c("tang_derubeis", "tang_derubeis_fixed", "tang_derubeis_t_test")) {
      if (!enough) next
      if (form == "tang_derubeis_t_test") {
        stable <- isTRUE(mean(b) > mean(a)) && t.test(b, a, var.equal = TRUE)$p.value < 0.05
      } else {
        df <- length(a) + length(b) - 2
        pooled <- sqrt((sum((a - mean(a))^2) + sum((b - mean(b))^2)) / df)
        stable <- mean(b) - mean(a) > ifelse(form == "tang_derubeis", qt(0.975, df), 2.776) * pooled
      }
    } else if (form == "gaynor") {
      if (all(is.na(after[2:3]))) next
      stable <- all(before[3] - after[2:3] >= 0.5 * (before[3] - after[1]), na.rm = TRUE)
    } else {
      stable <- before[3] - after[1] >= 1.5 * sd(x, na.rm = TRUE)
    }
    if (big && stable) found <- rbind(found, c(i, n))
  }
  found
}
forms <- c("tang_derubeis", "tang_derubeis_fixed", "tang_derubeis_t_test", "gaynor", "kelly")

x <- table[1:12, ]
neighbours <- function(v) v[-1] - v[-length(v)]
moves <- lapply(1:12, function(i) { k <- which(!is.na(x[i, ])); list(d = diff(k), m = diff(x[i, k]), i = i) })
long <- do.call(rbind, lapply(moves, function(q) data.frame(square = q$m^2, gap = q$d, i = q$i)))
# the same model with a factor of its own for each patient, as a Poisson regression of the squared differences
power <- unname(coef(suppressWarnings(glm(square ~ log(gap) + factor(i), poisson, long, epsilon = 1e-14, maxit = 100)))["log(gap)"] / 2)
middle <- median(long$gap)
measures <- lapply(1:12, function(i) list(
  mssd = mean(neighbours(x[i, ])^2, na.rm = TRUE), sd = sd(x[i, ], na.rm = TRUE),
  adjusted = mean((moves[[i]]$m / (moves[[i]]$d / middle)^0.4)^2),
  autocorrelation = acf(x[i, ], lag.max = 1, plot = FALSE, na.action = na.pass)$acf[2]
))
whole <- round(20 + 5 * sin((1:30) * 2.3) + 3 * sin((1:30)^2 * 0.7))

moment <- 1:130
one <- 10 + sin(moment * 0.9) + 0.7 * sin(moment * 2.3) + sin(moment^2 * 0.37)
two <- 4 + 0.8 * sin((moment - 2) * 0.9) + 0.9 * sin(moment^2 * 0.51) + 0.4 * sin(moment * 0.13)
two[c(17, 44, 45, 101)] <- NA
z <- sapply(-3:3, function(lag) sapply(0:5, function(w) {
  a <- one[w * 20 + 1:20]
  b <- two[w * 20 + 1:20]
  k <- if (lag >= 0) 1:(20 - lag) else (1 - lag):20
  atanh(cor(a[k], b[k + lag], use = "complete.obs"))
}))
out <- list(
  software = R.version.string, table = table, gains = setNames(lapply(forms, gains), forms),
  instability = list(measures = measures, power = power, whole = whole, whole_mssd = unname(mssd(whole)), whole_rmssd = unname(rmssd(whole))),
  synchrony = list(one = one, two = two, lag_means = colMeans(z), mean_z = mean(colMeans(z)), mean_absolute_z = mean(colMeans(abs(z))))
)
write(toJSON(out, digits = NA, auto_unbox = TRUE, na = "null"), "courses.json")
