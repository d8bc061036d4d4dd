# Tests of fixed effects in two simulated studies with uneven groups: sessions in patients in 12 therapists
# (data/uneven_sessions.csv), and phases by arms in 7 clinics (data/uneven_phases.csv), made by uneven_simulate.R.
# Run in this folder: Rscript uneven.R; writes uneven.json. lme4 1.1.31, lmerTest 3.1.3, pbkrtest 0.5.2, clubSandwich 0.5.8.
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(clubSandwich); library(jsonlite)})
control <- lmerControl(
  optimizer = "nloptwrap",
  optCtrl = list(xtol_abs = 1e-12, xtol_rel = 0, ftol_abs = 1e-14, ftol_rel = 0, maxeval = 1e5),
  check.conv.grad = "ignore", check.conv.hess = "ignore")
sessions <- read.csv("data/uneven_sessions.csv", stringsAsFactors = TRUE)
phases <- read.csv("data/uneven_phases.csv", stringsAsFactors = TRUE)
phases$patient <- factor(phases$patient)
table_of <- function(x) { x <- as.data.frame(x); lapply(as.list(x), unname) }
coefficients <- function(fit, ddf) {
  x <- coef(summary(fit, ddf = ddf))
  list(term = rownames(x), estimate = x[, 1], std_error = x[, 2], df = x[, 3], p_value = x[, 5])
}
out <- list()

fit <- lmerTest::lmer(y ~ session * arm + sev * wai + exper + (1 + session | patient) + (1 | therapist), sessions,
                      control = control)
out$satterthwaite <- coefficients(fit, "Satterthwaite")
out$kenward_roger <- coefficients(fit, "Kenward-Roger")
plain <- lme4::lmer(formula(fit), sessions, control = control)
robust <- coef_test(plain, vcovCR(plain, cluster = sessions$therapist, type = "CR2"), test = "Satterthwaite")
out$CR2 <- list(term = rownames(robust), estimate = robust$beta, std_error = robust$SE, df = robust$df_Satt,
                p_value = robust$p_Satt)
slope <- function(at) replace(setNames(numeric(length(fixef(fit))), names(fixef(fit))), c("wai", "sev:wai"), c(1, at))
excess <- function(at) { test <- contest1D(fit, slope(at)); abs(test[["t value"]]) - qt(0.975, test[["df"]]) }
places <- seq(min(sessions$sev), max(sessions$sev), length = 200)
changes <- which(diff(sign(sapply(places, excess))) != 0)
out$johnson_neyman <- sapply(changes, function(i) uniroot(excess, places[i + 0:1], tol = 1e-12)$root)

# pbkrtest 0.5.2 forms the covariance of the outcome without the weights, so columns times the root of the weight stand in.
for (name in c("session", "exper", "y")) sessions[[paste0(name, "_w")]] <- sessions[[name]] * sqrt(sessions$w)
sessions$root <- sqrt(sessions$w)
whitened <- lmerTest::lmer(y_w ~ 0 + root + session_w + exper_w + (0 + root | therapist) + (0 + root | patient), sessions,
                           control = control)
out$weighted <- coefficients(whitened, "Kenward-Roger")

# Joint tests of all pairs of marginal means: emmeans 1.8.4 takes the smallest df of single contrasts of a QR
# decomposition, which depends on the order of the contrasts; contestMD and KRmodcomp test the hypothesis as such.
arms <- lmerTest::lmer(y ~ phase * arm + age + (1 | clinic) + (1 | patient), phases, control = control)
pairs <- emmeans::contrast(emmeans::emmeans(arms, ~phase), "pairwise")@linfct
joint <- contestMD(arms, pairs)
scaled <- KRmodcomp(arms, pairs[1:2, ])$stats
out$joint <- list(
  satterthwaite = list(statistic = joint[["F value"]], df_numerator = joint[["NumDF"]], df_denominator = joint[["DenDF"]],
                       p_value = joint[["Pr(>F)"]]),
  kenward_roger = list(statistic = scaled$Fstat, df_numerator = scaled$ndf, df_denominator = scaled$ddf,
                       p_value = scaled$p.value))
write_json(out, "uneven.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
