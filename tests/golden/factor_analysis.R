# Golden values for factor extraction, rotation, Schmid-Leiman omega and parallel analysis.
# R packages psych, GPArotation, lavaan; base R's factanal. Run: Rscript factor_analysis.R > factor_analysis.json
suppressPackageStartupMessages({library(psych); library(GPArotation); library(jsonlite); library(lavaan)})
all <- read.csv("data/alliance_items.csv")
first <- all[all$session == 1, paste0("i", 1:9)]
n <- nrow(first); R <- cor(first)
plain <- function(m) unname(as.matrix(unclass(m)))
out <- list(software = paste(R.version.string, "psych", packageVersion("psych"), "GPArotation", packageVersion("GPArotation")),
            source = "tests/golden/factor_analysis.R", n = n)

# Maximum likelihood without rotation: base R, tightened.
ml <- factanal(covmat = R, n.obs = n, factors = 3, rotation = "none", control = list(opt = list(factr = 10, pgtol = 1e-12)))
out$ml <- list(loadings = plain(ml$loadings), uniquenesses = as.numeric(ml$uniquenesses), chisq = as.numeric(ml$STATISTIC),
               dof = ml$dof, criterion = as.numeric(ml$criteria["objective"]))
p <- fa(R, 3, n.obs = n, fm = "ml", rotate = "none")
out$psych_ml <- list(tli = p$TLI, chisq = p$STATISTIC, null_chisq = p$null.chisq, null_dof = p$null.dof)

# Minimum residuals. psych stops at about 4 digits; the same minimum by Newton steps on the sum of squared off-diagonal
# residuals, from psych's loadings.
minres <- function(R, m) {
  start <- plain(fa(R, m, fm = "minres", rotate = "none")$loadings)
  k <- nrow(R)
  loss <- function(v) { L <- matrix(v, k); E <- R - L %*% t(L); sum(E[upper.tri(E)]^2) }
  slope <- function(v) { L <- matrix(v, k); E <- R - L %*% t(L); diag(E) <- 0; c(-2 * E %*% L) }
  o <- optim(c(start), loss, slope, method = "BFGS", control = list(reltol = 1e-16, maxit = 10000))
  o <- optim(o$par, loss, slope, method = "BFGS", control = list(reltol = 1e-16, maxit = 10000))
  L <- matrix(o$par, k)
  # Canonical: L'L diagonal, columns by size.
  V <- svd(L)
  L <- V$u %*% diag(V$d, length(V$d))
  L %*% diag(sign(colSums(L)), ncol(L))
}
L <- minres(R, 3)
out$minres <- list(loadings = L, psych = plain(fa(R, 3, fm = "minres", rotate = "none")$loadings), h2 = rowSums(L^2))
ob <- oblimin(L, eps = 1e-8, maxit = 20000)
out$oblimin <- list(loadings = plain(ob$loadings), phi = plain(ob$Phi))
va <- varimax(L, normalize = TRUE, eps = 1e-14)
out$varimax <- list(loadings = plain(va$loadings))
out$psych_oblimin <- list(loadings = plain(fa(R, 3, fm = "minres", rotate = "oblimin")$loadings),
                          phi = plain(fa(R, 3, fm = "minres", rotate = "oblimin")$Phi))
fit <- fa(R, 3, n.obs = n, fm = "minres", rotate = "none")
out$psych_minres <- list(chisq = fit$STATISTIC, dof = fit$dof, tli = fit$TLI, rms = fit$rms)

# Omega by Schmid-Leiman.
om <- suppressWarnings(suppressMessages(omega(first, nfactors = 3, plot = FALSE)))
out$psych_omega <- list(omega_h = om$omega_h, omega_total = om$omega.tot, general = as.numeric(om$schmid$sl[, "g"]), alpha = om$alpha)
sl <- function(L, Phi) {
  # second-order factor of three correlations, exactly identified
  g <- sqrt(c(Phi[1, 2] * Phi[1, 3] / Phi[2, 3], Phi[1, 2] * Phi[2, 3] / Phi[1, 3], Phi[1, 3] * Phi[2, 3] / Phi[1, 2]))
  general <- c(L %*% g); h2 <- diag(L %*% Phi %*% t(L))
  list(general = general, omega_h = sum(general)^2 / sum(R), omega_total = (sum(R) - sum(1 - h2)) / sum(R))
}
ob2 <- ob; signs <- sign(colSums(ob$loadings))
out$schmid_leiman <- sl(plain(ob$loadings) %*% diag(signs), diag(signs) %*% plain(ob$Phi) %*% diag(signs))

# Parallel analysis: observed eigenvalues, and random ones from many draws.
smc_R <- R; diag(smc_R) <- smc(R)
set.seed(11)
draws <- replicate(5000, { x <- cor(matrix(rnorm(n * 9), n)); s <- x; diag(s) <- smc(x); c(eigen(x, TRUE, TRUE)$values, eigen(s, TRUE, TRUE)$values) })
out$parallel <- list(components = eigen(R, TRUE, TRUE)$values, factors = eigen(smc_R, TRUE, TRUE)$values,
                     mean = rowMeans(draws), q95 = apply(draws, 1, quantile, .95), sd = apply(draws, 1, sd))
cat(toJSON(out, digits = 14, auto_unbox = TRUE, pretty = TRUE, na = "null"), "\n")
