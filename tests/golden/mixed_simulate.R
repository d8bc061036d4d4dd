# Writes the three simulated alliance studies in data/: fixed seed, R 4.2.2.
set.seed(20240311)
rounded <- function(x, d = 3) round(x, d)

# Sessions in patients in therapists; slopes by patient and by therapist.
patients <- 72; therapists <- 12
th <- sprintf("T%02d", rep(seq_len(therapists), length.out = patients))
n_sessions <- sample(3:7, patients, replace = TRUE)
d <- data.frame(patient = rep(sprintf("P%03d", seq_len(patients)), n_sessions), therapist = rep(th, n_sessions))
d$session <- sequence(n_sessions)
d$arm <- rep(sample(c("waiting", "brief", "full"), patients, replace = TRUE), n_sessions)
d$phase <- ifelse(d$session <= 2, "early", "late")
pi <- as.integer(factor(d$patient)); ti <- as.integer(factor(d$therapist))
d$alliance <- rounded(4 + rnorm(patients, 0, .7)[pi] + rnorm(nrow(d), 0, .5))
b0 <- rnorm(patients, 0, 4); b1 <- .3 * b0 / 4 + rnorm(patients, 0, .7)
t0 <- rnorm(therapists, 0, 2); t1 <- rnorm(therapists, 0, .5)
d$weight <- rounded(runif(nrow(d), .5, 3), 2)
d$distress <- rounded(25 + b0[pi] + t0[ti] + (-1 + b1[pi] + t1[ti]) * d$session - 1.2 * d$alliance +
                      ifelse(d$arm == "full", -1.5 * d$session, 0) + rnorm(nrow(d), 0, 2.5) / sqrt(d$weight))
d$days <- 7 * d$session + 3
d$distress_gaps <- ifelse(runif(nrow(d)) < .08, NA, d$distress)
d$alliance_gaps <- ifelse(runif(nrow(d)) < .08, NA, d$alliance)
d$therapist_gaps <- ifelse(runif(nrow(d)) < .05, NA, d$therapist)
write.csv(d, "data/alliance_sessions.csv", row.names = FALSE, na = "")

# Patients rated by several raters on two occasions: partially crossed; therapists rate nothing but differ.
ratings <- do.call(rbind, lapply(seq_len(40), function(p) {
  expand.grid(patient = p, rater = sample(9, 4), occasion = 0:1)[sample(8, sample(5:8, 1)), ] }))
pat <- rnorm(40, 0, 1); slope <- rnorm(40, 0, .6); rat <- rnorm(9, 0, .8); ther <- rnorm(7, 0, .5)
own <- sample(7, 40, replace = TRUE)
ratings$therapist <- own[ratings$patient]
ratings$rating <- with(ratings, rounded(5 + pat[patient] + slope[patient] * occasion + rat[rater] + ther[therapist] +
                                        .4 * occasion + rnorm(nrow(ratings), 0, .7)))
ratings$minutes <- rounded(runif(nrow(ratings), 20, 55), 0)
write.csv(ratings, "data/alliance_raters.csv", row.names = FALSE)

# Therapists numbered anew in each clinic: ids mean something only within the clinic.
n <- 8 * 4 * 9
clinics <- data.frame(clinic = rep(LETTERS[1:8], each = 36), therapist = rep(rep(1:4, each = 9), 8))
clinics <- clinics[sort(sample(n, 230)), ]
cell <- as.integer(factor(paste(clinics$clinic, clinics$therapist))); cl <- as.integer(factor(clinics$clinic))
clinics$alliance <- rounded(rnorm(nrow(clinics), 5, 1))
clinics$outcome <- rounded(50 + rnorm(8, 0, 3)[cl] + rnorm(32, 0, 2)[cell] +
                           (-2 + rnorm(32, 0, .8)[cell]) * clinics$alliance + rnorm(nrow(clinics), 0, 4))
write.csv(clinics, "data/alliance_clinics.csv", row.names = FALSE)
