# Simulated item answers for the golden values of reliability, factor analysis and CFA. Base R only.
# Run: Rscript data_items.R   (writes data/alliance_items.csv and data/alliance_items_balanced.csv)
set.seed(20240611)
n_patients <- 240
n_therapists <- 24
therapist <- rep(seq_len(n_therapists), length.out = n_patients)
sessions <- sample(1:6, n_patients, replace = TRUE)
k <- 9
factor_of <- rep(1:3, each = 3)
loading <- c(.9, .8, .7, .8, .75, .6, .85, .7, .5)
therapist_item <- matrix(rnorm(n_therapists * k) * .25, n_therapists)
rows <- lapply(seq_len(n_patients), function(p) {
  general <- rnorm(1) * .8 + 0.7 * cos(therapist[p] * 2.1)
  trait <- general + rnorm(3) * .55
  quirk <- rnorm(k) * .35
  t(sapply(seq_len(sessions[p]), function(s) {
    state <- .5 * rnorm(1) + rnorm(3) * .35
    answer <- 4 + seq_len(k) / 10 + loading * (trait + state)[factor_of] + quirk + therapist_item[therapist[p], ] + rnorm(k) * .7
    c(p, therapist[p], s, round(answer, 2))
  }))
})
items <- as.data.frame(do.call(rbind, rows))
names(items) <- c("patient", "therapist", "session", paste0("i", seq_len(k)))
write.csv(items, "data/alliance_items.csv", row.names = FALSE, quote = FALSE)

n_patients <- 30
n_sessions <- 5
k <- 4
cells <- expand.grid(session = seq_len(n_sessions), patient = seq_len(n_patients))
person <- rnorm(n_patients) * 1.0
time <- rnorm(n_sessions) * .6
item <- rnorm(k) * .5
person_time <- matrix(rnorm(n_patients * n_sessions) * .7, n_patients)
person_item <- matrix(rnorm(n_patients * k) * .5, n_patients)
time_item <- matrix(rnorm(n_sessions * k) * .3, n_sessions)
answers <- t(mapply(function(s, p) {
  5 + person[p] + time[s] + person_time[p, s] + item + person_item[p, ] + time_item[s, ] + rnorm(k) * .8
}, cells$session, cells$patient))
balanced <- data.frame(patient = cells$patient, session = cells$session, round(answers, 2))
names(balanced)[3:6] <- paste0("i", seq_len(k))
write.csv(balanced, "data/alliance_items_balanced.csv", row.names = FALSE, quote = FALSE)
