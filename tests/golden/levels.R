# Golden values for alliance_outcome, contextual_test and within_between(weights = "reliability").
# R packages lme4, lmerTest, lavaan, jsonlite. Run: Rscript levels.R > levels.json
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(lavaan); library(jsonlite)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e6))
d <- read.csv("data/alliance_sessions.csv")
out <- list(software = paste(R.version.string, "lme4", packageVersion("lme4"), "lmerTest", packageVersion("lmerTest"),
                             "lavaan", packageVersion("lavaan")), source = "tests/golden/levels.R")

# Session, patient and therapist parts, the alliance and the outcome of the session before.
mean_by <- function(x, g) ave(x, g, FUN = function(v) mean(v, na.rm = TRUE))
d$A_therapist_mean <- mean_by(d$alliance, d$therapist)
d$A_patient_mean <- mean_by(d$alliance, d$patient)
d$a_session <- d$alliance - d$A_patient_mean
d$a_patient <- d$A_patient_mean - d$A_therapist_mean
d$a_therapist <- d$A_therapist_mean - mean(d$alliance, na.rm = TRUE)
d$y_session <- d$distress - mean_by(d$distress, d$patient)
key <- paste(d$patient, d$session); before <- match(paste(d$patient, d$session - 1), key)
d$a_before <- d$a_session[before]; d$y_before <- d$y_session[before]; d$raw_before <- d$alliance[before]
rows <- d[complete.cases(d[c("a_before", "y_before", "distress")]), ]
fit <- lmer(distress ~ a_before + a_patient + a_therapist + y_before + session + (1 + a_before | patient) +
              (1 + a_before | therapist), rows, control = tight)
table <- summary(fit, ddf = "Satterthwaite")$coefficients
contrast <- function(outer, inner) {
  l <- as.numeric(names(fixef(fit)) == outer) - as.numeric(names(fixef(fit)) == inner)
  unlist(contest(fit, l, joint = FALSE)[, c("Estimate", "Std. Error", "df", "t value", "Pr(>|t|)")])
}
joint <- contest(fit, rbind(as.numeric(names(fixef(fit)) == "a_patient") - as.numeric(names(fixef(fit)) == "a_before"),
                            as.numeric(names(fixef(fit)) == "a_therapist") - as.numeric(names(fixef(fit)) == "a_patient")),
                 joint = TRUE)
out$lagged <- list(n = nrow(rows), criterion = as.numeric(REMLcrit(fit)), terms = rownames(table),
                   estimate = unname(table[, 1]), std_error = unname(table[, 2]), df = unname(table[, 3]),
                   patient_minus_session = unname(contrast("a_patient", "a_before")),
                   therapist_minus_patient = unname(contrast("a_therapist", "a_patient")),
                   joint = unlist(joint[, c("F value", "NumDF", "DenDF", "Pr(>F)")]))

# Latent means: the two-level model with a latent covariate, patients only.
latent <- function(data, x, y, extra = "") {
  # In standard deviations, where lavaan's optimiser converges; slopes and their errors go back to points.
  data$x <- as.numeric(scale(data[[x]])); data$y <- as.numeric(scale(data[[y]])); back <- sd(data[[y]]) / sd(data[[x]])
  model <- paste0("level: 1\n y ~ within*x", extra, "\nlevel: 2\n y ~ between*x\ncontextual := between - within")
  f <- sem(model, data, cluster = "patient", fixed.x = FALSE)
  p <- parameterEstimates(f); p <- p[match(c("within", "between", "contextual"), p$label), ]
  stopifnot(lavInspect(f, "converged"))
  list(estimate = p$est * back, std_error = p$se * back)
}
# Simulated for this file: 70 patients with 1 to 6 sessions; nobody's data. The slope is -0.5 within and 1.2 between patients.
set.seed(20)
n <- sample(1:6, 70, replace = TRUE); id <- rep(seq_along(n), n); session <- sequence(n)
trait <- rnorm(70); state <- rnorm(length(id)) + 0.1 * session
l <- data.frame(patient = id, session = session, wai = round(20 + 2 * trait[id] + 3 * state, 2))
l$distress <- round(30 - 0.5 * 3 * state + 1.2 * 2 * trait[id] + 2 * rnorm(70)[id] - 0.4 * session + 2 * rnorm(length(id)), 2)
write.csv(l, "data/alliance_latent.csv", row.names = FALSE, quote = FALSE)
out$latent <- latent(l, "wai", "distress")
out$latent_with_time <- latent(l, "wai", "distress", " + session\n x ~ session")

# Predicted means: random effects of the model with intercepts only.
means <- lmer(alliance ~ 1 + (1 | patient) + (1 | therapist), d, control = tight)
out$predicted <- list(intercept = unname(fixef(means)), patient = ranef(means)$patient[[1]],
                      patient_names = rownames(ranef(means)$patient), therapist = ranef(means)$therapist[[1]],
                      therapist_names = rownames(ranef(means)$therapist))
cat(toJSON(out, digits = 12, auto_unbox = TRUE, pretty = TRUE), "\n")
