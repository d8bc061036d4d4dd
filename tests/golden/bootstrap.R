# Makes bootstrap.json: SDs, means and quantiles of lme4::bootMer (parametric, 2,000 draws). Run it in this folder.
# sd_error is the Monte Carlo standard error of each SD, from the fourth moment of the draws.
suppressMessages({library(lme4); library(jsonlite)})
quietly <- function(x) suppressMessages(suppressWarnings(x))
components <- function(m) {
  vc <- as.data.frame(VarCorr(m), order = "lower.tri"); out <- c()
  for (i in seq_len(nrow(vc))) { r <- vc[i, ]
    name <- if (r$grp == "Residual") "residual_sd" else if (is.na(r$var2)) paste("sd", r$grp, r$var1, sep = "|")
            else paste("correlation", r$grp, r$var1, r$var2, sep = "|")
    out[name] <- r$sdcor }
  out
}
parameters <- function(m) c(setNames(fixef(m), paste("fixed", names(fixef(m)), sep = "|")), components(m))
models <- list(
  orthodont = list(data = "Orthodont", formula = distance ~ agec * Sex + (1 + agec | Subject)),
  sessions = list(data = "alliance_sessions", formula = distress ~ session + alliance + (1 | patient) + (1 | therapist)))
out <- list()
for (name in names(models)) {
  s <- models[[name]]
  d <- read.csv(sprintf("data/%s.csv", s$data), stringsAsFactors = TRUE, na.strings = "")
  m <- quietly(lmer(s$formula, d))
  b <- quietly(bootMer(m, parameters, nsim = 2000, seed = 20240501, use.u = FALSE, type = "parametric"))
  t <- b$t
  moment4 <- apply(t, 2, function(x) mean((x - mean(x, na.rm = TRUE))^4, na.rm = TRUE))
  sds <- apply(t, 2, sd, na.rm = TRUE)
  n <- nrow(t)
  out[[name]] <- list(case = name, source = sprintf("data/%s.csv; see data/README.md", s$data),
    software = sprintf("R %s, lme4 %s", getRversion(), packageVersion("lme4")), formula = deparse(s$formula, width.cutoff = 200),
    n = n, parameter = colnames(t), estimate = unname(b$t0), mean = unname(colMeans(t, na.rm = TRUE)), sd = unname(sds),
    sd_error = unname(sqrt((moment4 / sds^4 - 1) / (4 * n)) * sds),
    low = unname(apply(t, 2, quantile, 0.025, na.rm = TRUE)), high = unname(apply(t, 2, quantile, 0.975, na.rm = TRUE)))
  cat(name, "done\n")
}
write(toJSON(out, digits = NA, auto_unbox = TRUE), "bootstrap.json")
