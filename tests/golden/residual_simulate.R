# Writes the simulated data sets for residual structures in data/: fixed seed, R 4.2.2. Nobody's data.
set.seed(20240518)
rounded <- function(x, d = 3) round(x, d)
continuous <- function(times, rho) {
  e <- numeric(length(times)); e[1] <- rnorm(1)
  for (i in seq_along(times)[-1]) { r <- rho^(times[i] - times[i - 1]); e[i] <- r * e[i - 1] + sqrt(1 - r^2) * rnorm(1) }
  e
}
# Sessions at uneven dates, some session numbers missing; patients in therapists.
patients <- 48; therapists <- 8
rows <- lapply(seq_len(patients), function(p) {
  session <- sort(sample(12, sample(5:10, 1)))
  day <- cumsum(c(0, sample(c(2, 5, 7, 7, 7, 9, 14, 21), 11, replace = TRUE)))[session]
  data.frame(patient = p, therapist = (p - 1) %% therapists + 1, session, day, error = 2 * continuous(day, .93))
})
d <- do.call(rbind, rows)
d$alliance <- rounded(rnorm(patients, 0, .5)[d$patient] + rnorm(nrow(d), 4, .8))
d$distress <- rounded(22 + rnorm(patients, 0, 2.5)[d$patient] + rnorm(therapists, 0, 1)[d$therapist] - .5 * d$session -
                      1.1 * d$alliance + d$error)
d$error <- NULL
d <- d[sample(nrow(d)), ]
write.csv(d, "data/residual_dates.csv", row.names = FALSE)

# Couples: two partners rate each session; their residuals differ in size and correlate negatively.
dyads <- 40
rows <- lapply(seq_len(dyads), function(k) {
  session <- sort(sample(9, sample(4:8, 1)))
  common <- rnorm(length(session)); own <- rnorm(length(session))
  a <- common; b <- -.4 * common + sqrt(1 - .16) * own
  level <- rnorm(1, 0, .8); gap <- rnorm(1, 0, .5)
  rbind(data.frame(dyad = k, session, role = "client", error = a, level = level),
        data.frame(dyad = k, session, role = "partner", error = 1.7 * b, level = level + gap))
})
d <- do.call(rbind, rows)
d$closeness <- rounded(rnorm(nrow(d), 5, 1))
d$satisfaction <- rounded(4 + d$level + .1 * d$session + .35 * d$closeness - .3 * (d$role == "partner") + d$error)
d$error <- d$level <- NULL
d <- d[sample(nrow(d)), ]
d <- d[-sample(nrow(d), 15), ]
write.csv(d, "data/residual_couples.csv", row.names = FALSE)

# Effect sizes in studies with known sampling variances.
studies <- 22
n <- sample(1:6, studies, replace = TRUE)
d <- data.frame(study = rep(seq_len(studies), n), effect = seq_len(sum(n)))
d$year <- rep(sample(1990:2020, studies, replace = TRUE), n)
d$variance <- rounded(runif(nrow(d), .01, .12), 4)
d$correlation <- rounded(.28 + rnorm(studies, 0, .15)[d$study] + rnorm(nrow(d), 0, .1) + rnorm(nrow(d), 0, sqrt(d$variance)), 4)
d$precision <- 1 / d$variance
d <- d[sample(nrow(d)), ]
write.csv(d, "data/residual_effects.csv", row.names = FALSE)
