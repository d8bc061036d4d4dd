# Makes residual_structures.json: nlme::lme for the cases in residual_structures_cases.json, and metafor::rma.mv for known
# sampling variances. Run it in this folder. nlme stops early, so each fit is repeated from several starts and from where it
# ended, and the highest likelihood is kept.
suppressMessages({library(nlme); library(metafor); library(jsonlite)})
control <- function(opt) lmeControl(maxIter = 300, msMaxIter = 1000, msMaxEval = 5000, niterEM = 40, tolerance = 1e-11,
                                    msTol = 1e-13, opt = opt, returnObject = TRUE)
started <- function(correlation, value, fixed = FALSE) if (is.null(correlation)) NULL else
  eval(parse(text = sub("\\(", sprintf("(value = %.15g, ", value), correlation)))
one <- function(s, d, reml, value, opt) tryCatch(suppressWarnings({
  args <- list(fixed = as.formula(s$fixed), data = d, random = eval(parse(text = s$lme_random)),
               method = if (reml) "REML" else "ML", control = control(opt))
  if (!is.null(s$correlation)) args$correlation <- started(s$correlation, value)
  if (!is.null(s$variance)) args$weights <- eval(parse(text = s$variance))
  do.call(lme, args)
}), error = function(e) NULL)
rho_of <- function(m) unname(coef(m$modelStruct$corStruct, unconstrained = FALSE))
best <- function(s, d, reml) {
  kept <- NULL
  starts <- if (is.null(s$correlation)) 0 else if (grepl("corCAR1", s$correlation)) c(.1, .5, .9) else c(.05, -.3, .4, .7)
  for (opt in c("nlminb", "optim")) for (value in starts) {
    m <- one(s, d, reml, value, opt)
    for (again in 1:2) if (!is.null(m) && !is.null(s$correlation)) { n <- one(s, d, reml, rho_of(m), opt); if (!is.null(n)) m <- n }
    if (!is.null(m) && (is.null(kept) || logLik(m) > logLik(kept))) kept <- m
  }
  kept
}
ratios <- function(m) {
  v <- m$modelStruct$varStruct
  if (is.null(v) || !inherits(v, "varIdent")) return(NULL)
  r <- coef(v, unconstrained = FALSE, allCoef = TRUE); as.list(r)
}
extract <- function(m, s) {
  vc <- pdMatrix(m$modelStruct$reStruct)
  sd <- lapply(vc, function(v) unname(as.matrix(v)) * m$sigma^2)
  list(terms = names(fixef(m)), beta = unname(fixef(m)), std_error = unname(sqrt(diag(m$varFix))), sigma = m$sigma,
       log_likelihood = as.numeric(logLik(m)), rho = if (is.null(s$correlation)) NULL else rho_of(m), ratios = ratios(m),
       covariances = sd)
}
cases <- fromJSON("residual_structures_cases.json", simplifyVector = FALSE)
out <- list(software = sprintf("R %s, nlme %s, metafor %s", getRversion(), packageVersion("nlme"), packageVersion("metafor")),
            source = "data/*.csv; see data/README.md",
            # beta: in standard errors; std_error, sigma, ratio: relative; rho: absolute; covariance: in residual variances.
            tolerance = list(beta = 3e-6, std_error = 2e-6, sigma = 6e-6, rho = 2e-6, ratio = 2e-6, covariance = 2e-5),
            cases = list(), effects = list())
for (name in names(cases)) {
  s <- cases[[name]]
  d <- read.csv(sprintf("data/%s.csv", s$data), na.strings = "")
  if (identical(s$by, "arm:phase")) d$cell <- paste(d$arm, d$phase, sep = ":")
  for (method in c("REML", "ML")) out$cases[[name]][[method]] <- extract(best(s, d, method == "REML"), s)
  cat(name, out$cases[[name]]$REML$rho, unlist(out$cases[[name]]$REML$ratios), out$cases[[name]]$REML$log_likelihood, "\n")
}
# rma.mv's restricted likelihood without its constant log|X'X| / 2 (REMLf = FALSE) is that of lme4.
d <- read.csv("data/residual_effects.csv")
for (formula in c("correlation ~ 1", "correlation ~ year")) for (method in c("REML", "ML")) {
  m <- rma.mv(correlation, variance, mods = as.formula(sub("correlation", "", formula)), random = ~ 1 | study/effect, data = d,
              method = method, sparse = FALSE, control = list(REMLf = FALSE, optimizer = "BFGS", reltol = 1e-15, maxit = 1000))
  out$effects[[length(out$effects) + 1]] <- list(formula = formula, method = method, beta = as.numeric(m$beta),
    std_error = m$se, variances = m$sigma2, log_likelihood = as.numeric(m$fit.stats["ll", method]))
}
write(toJSON(out, digits = NA, auto_unbox = TRUE, null = "null"), "residual_structures.json")
