# Makes robust_<case>.json for the cases in robust_cases.json, and the derived data in data/robust_*.csv. Run it in this folder.
# lme4 is pushed to its optimum as in mixed_models.R. clubSandwich takes no lmer fit with weights: for these the class
# "weighted_lmm" hands its own generics V = sigma^2 (Z L L'Z' + diag(1 / w)), the working covariance, and W = V^-1; nlme::lme,
# which clubSandwich takes with weights, is printed beside it as a check (its optimum is less sharp).
suppressMessages({library(lme4); library(clubSandwich); library(jsonlite); library(nlme)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e6), calc.derivs = FALSE,
                     check.conv.singular = "ignore", check.rankX = "silent.drop.cols")
quietly <- function(x) suppressMessages(suppressWarnings(x))
best_fit <- function(formula, d, w) {
  fit <- function(start) quietly(do.call(lmer, list(formula, d, control = tight, start = start, weights = w)))
  best <- NULL
  for (start in list(NULL, 1.01, 0.3)) {
    theta <- if (is.null(start)) NULL else start * getME(best, "theta") + 1e-3
    m <- fit(theta)
    for (again in 1:3) m <- fit(getME(m, "theta"))
    if (is.null(best) || REMLcrit(m) < REMLcrit(best)) best <- m
  }
  best
}
sessions <- read.csv("data/alliance_sessions.csv")
sessions$alliance_therapist <- ave(sessions$alliance, sessions$therapist)
sessions$trainee <- as.numeric(sub("T", "", sessions$therapist)) %% 2
sessions$lone <- as.numeric(sessions$therapist == "T04")
write.csv(sessions[c("patient", "therapist", "session", "alliance", "weight", "distress", "alliance_therapist", "trainee", "lone")],
          "data/robust_therapists.csv", row.names = FALSE, quote = FALSE)
clinics <- read.csv("data/alliance_clinics.csv")
clinics$urban <- as.numeric(clinics$clinic %in% c("B", "D", "F"))
clinics$lone <- as.numeric(clinics$clinic == "H")
clinics$pair <- paste0(clinics$clinic, clinics$therapist)
write.csv(clinics, "data/robust_clinics.csv", row.names = FALSE, quote = FALSE)

weighted_lmm <- function(m, cluster) {
  zl <- as.matrix(getME(m, "Z") %*% t(getME(m, "Lambdat")))
  v <- sigma(m)^2 * (tcrossprod(zl) + diag(1 / weights(m)))
  structure(list(beta = fixef(m), x = getME(m, "X"), v = v, e = as.vector(getME(m, "y") - getME(m, "X") %*% fixef(m)),
                 m = as.matrix(vcov(m)), cluster = cluster), class = "weighted_lmm")
}
blocks <- function(obj, cluster) lapply(split(seq_len(nrow(obj$v)), cluster), function(i) obj$v[i, i, drop = FALSE])
own <- list(
  coef_CS = function(obj) obj$beta, model_matrix = function(obj) obj$x, residuals_CS = function(obj) obj$e,
  targetVariance = function(obj, cluster) blocks(obj, cluster),
  weightMatrix = function(obj, cluster) lapply(blocks(obj, cluster), function(v) chol2inv(chol(v))),
  v_scale = function(obj) 1, augmented_model_matrix = function(obj, cluster, inverse_var, ignore_FE) NULL)
for (name in names(own)) registerS3method(name, "weighted_lmm", own[[name]], envir = asNamespace("clubSandwich"))
registerS3method("bread", "weighted_lmm", function(x, ...) x$m, envir = asNamespace("sandwich"))
registerS3method("coef", "weighted_lmm", function(object, ...) object$beta)
vcovCR.weighted_lmm <- function(obj, cluster, type, ...)
  clubSandwich:::vcov_CR(obj, cluster, type, target = NULL, inverse_var = TRUE, form = "sandwich")
registerS3method("vcovCR", "weighted_lmm", vcovCR.weighted_lmm, envir = asNamespace("clubSandwich"))

plain <- function(x) gsub("(Intercept)", "Intercept", x, fixed = TRUE)
joint_test <- function(obj, v, terms, names) {
  C <- diag(length(names))[match(unlist(terms), names), , drop = FALSE]
  w <- Wald_test(obj, constraints = C, vcov = v, test = "HTZ")
  list(terms = I(unlist(terms)), f = w$Fstat, df_num = w$df_num, df_denom = w$df_denom, p = w$p_val)
}
results <- function(obj, cluster, joint, names) {
  out <- list()
  for (type in c("CR0", "CR1", "CR1S", "CR2")) {
    v <- vcovCR(obj, cluster = cluster, type = type)
    t <- as.data.frame(coef_test(obj, vcov = v, test = "Satterthwaite"))
    out[[type]] <- list(std_error = I(t$SE), df = I(t$df_Satt), p = I(t$p_Satt), covariance = unname(as.matrix(v)),
                        joint = lapply(joint, function(terms) joint_test(obj, v, terms, names)))
  }
  out
}
# Serial residuals and residual variances by phase: nlme::lme, which clubSandwich takes as it is.
structured <- function(s) {
  d <- read.csv(sprintf("data/%s.csv", s$data), stringsAsFactors = TRUE)
  control <- lmeControl(msTol = 1e-14, tolerance = 1e-14, maxIter = 500, msMaxIter = 500, niterEM = 50, returnObject = TRUE)
  m <- lme(distress ~ session + arm, random = ~ 1 | patient, data = d, correlation = corAR1(form = ~ session | patient),
           weights = varIdent(form = ~ 1 | phase), control = control)
  names <- plain(names(fixef(m)))
  out <- list(case = "structured", source = sprintf("data/%s.csv; see data/README.md", s$data), formula = s$formula,
              software = sprintf("R %s, nlme %s, clubSandwich %s", getRversion(), packageVersion("nlme"),
                                 packageVersion("clubSandwich")),
              rtol = list(std_error = 1e-6, df = 1e-4, p = 1e-3), terms = I(names), estimate = I(unname(fixef(m))),
              log_likelihood = as.numeric(logLik(m)), value = results(m, d[[s$cluster]], s$joint, names))
  write(toJSON(out, digits = NA, auto_unbox = TRUE, null = "null"), "robust_structured.json")
}
cases <- fromJSON("robust_cases.json", simplifyVector = FALSE)
wanted <- commandArgs(TRUE); if (!length(wanted)) wanted <- names(cases)
for (name in wanted) {
  s <- cases[[name]]
  if (name == "structured") { structured(s); next }
  d <- read.csv(sprintf("data/%s.csv", s$data), stringsAsFactors = TRUE, na.strings = c("", "NA"))
  formula <- as.formula(s$formula)
  for (g in unique(unlist(lapply(findbars(formula), function(b) all.vars(b[[3]]))))) d[[g]] <- factor(d[[g]])
  d <- d[complete.cases(d[unique(c(all.vars(formula), s$cluster))]), ]
  m <- best_fit(formula, d, if (is.null(s$weights)) NULL else d[[s$weights]])
  names <- plain(names(fixef(m)))
  obj <- if (is.null(s$weights)) m else weighted_lmm(m, d[[s$cluster]])
  out <- list(case = name, source = sprintf("data/%s.csv; see data/README.md", s$data), formula = s$formula, weights = s$weights,
              software = sprintf("R %s, lme4 %s, clubSandwich %s", getRversion(), packageVersion("lme4"),
                                 packageVersion("clubSandwich")),
              rtol = list(std_error = 1e-6, df = 1e-4, p = 1e-3), terms = I(names), estimate = I(unname(fixef(m))),
              value = results(obj, d[[s$cluster]], s$joint, names))
  if (name == "weighted_patients") {
    d$inverse <- 1 / d$weight
    check <- lme(distress ~ session * arm, random = ~ session | patient, data = d, weights = varFixed(~inverse),
                 control = lmeControl(msTol = 1e-12, tolerance = 1e-12, maxIter = 500, msMaxIter = 500, returnObject = TRUE))
    other <- sqrt(diag(vcovCR(check, type = "CR2")))
    print(max(abs(other / out$value$CR2$std_error - 1)))
  }
  cat(name, length(unique(d[[s$cluster]])), "\n")
  write(toJSON(out, digits = NA, auto_unbox = TRUE, null = "null"), sprintf("robust_%s.json", name))
}
