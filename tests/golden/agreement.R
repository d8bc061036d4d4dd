# Golden values for alliance_stats.scales.agreement; run in tests/golden: Rscript agreement.R > agreement.json
# Ratings are whole numbers from formulas, so that no random numbers are needed.
suppressMessages({
  library(psych)
  library(lme4)
})
unit <- 1:40
truth <- 2 + round(1.6 * sin(unit * 1.7))
coder <- function(k) pmin(4, pmax(1, truth + round(0.8 * sin(unit * 2.9 * k + k))))
codes <- cbind(coder(1), coder(2))
plain <- cohen.kappa(codes, levels = 1:4)
linear <- 1 - abs(outer(1:4, 1:4, "-")) / 3
lin <- cohen.kappa(codes, w = linear, levels = 1:4)

points <- sapply(1:4, function(k) round(50 + 10 * sin(unit * 1.3) + 2 * k + 6 * sin(unit * 3.1 * k)))
whole <- ICC(points, lmer = FALSE)$results
narrow <- ICC(points, lmer = FALSE, alpha = 0.2)$results
# Shrout & Fleiss (1979) Psychological Bulletin 86, 420-428, Table 2: six targets, four judges.
shrout <- matrix(c(9, 2, 5, 8, 6, 1, 3, 2, 8, 4, 6, 8, 7, 1, 2, 6, 10, 5, 6, 9, 6, 2, 4, 7), ncol = 4, byrow = TRUE)
sf <- ICC(shrout, lmer = FALSE)$results
gaps <- points
gaps[(outer(unit, 1:4, function(i, j) (i * 7 + j * 5) %% 6)) == 0] <- NA
long <- data.frame(y = c(gaps), unit = factor(rep(unit, 4)), rater = factor(rep(1:4, each = 40)))
tight <- lmerControl("bobyqa", optCtrl = list(rhoend = 1e-10))
two <- as.data.frame(VarCorr(lmer(y ~ 1 + (1 | unit) + (1 | rater), long, control = tight)))
one <- as.data.frame(VarCorr(lmer(y ~ 1 + (1 | unit), long, control = tight)))
part <- function(v, g) v$vcov[v$grp == g]
u <- part(two, "unit")
r <- part(two, "rater")
e <- part(two, "Residual")
single <- c(part(one, "unit") / (part(one, "unit") + part(one, "Residual")), u / (u + r + e), u / (u + e))

# Bland & Altman (1999): one pair per subject, and several.
d <- points[, 1] - points[, 2]
n <- length(d)
z <- qnorm(0.975)
se_limit <- sqrt(var(d) * (1 / n + z^2 / (2 * (n - 1))))
subject <- factor(rep(1:11, length.out = n))
table <- anova(lm(d ~ subject))
ms <- table[["Mean Sq"]]
m <- as.vector(table(subject))
m0 <- (sum(m)^2 - sum(m^2)) / ((length(m) - 1) * sum(m))
# Shifted by subject, so that subjects differ.
d2 <- d + 8 * sin(as.integer(subject))
ms2 <- anova(lm(d2 ~ subject))[["Mean Sq"]]
spread <- sqrt((ms2[1] - ms2[2]) / m0 + ms2[2])

number <- function(v) paste0("[", paste(sprintf("%.15g", as.numeric(v)), collapse = ", "), "]")
cells <- function(x) paste0("[", paste(apply(x, 1, function(v) paste0("[", paste(ifelse(is.na(v), "null", v), collapse = ", "), "]")), collapse = ", "), "]")
cat(paste0(
  "{\n",
  '  "source": "tests/golden/agreement.R",\n',
  '  "software": "', R.version.string, ", psych ", as.character(packageVersion("psych")), ", lme4 ", as.character(packageVersion("lme4")), '",\n',
  '  "rtol": 1e-8,\n',
  '  "rtol_components": 1e-6,\n',
  '  "codes": ', cells(codes), ",\n",
  '  "points": ', cells(points), ",\n",
  '  "gaps": ', cells(gaps), ",\n",
  '  "shrout": ', cells(shrout), ",\n",
  '  "kappa": ', number(c(plain$kappa, sqrt(plain$var.kappa))), ",\n",
  '  "kappa_interval": ', number(plain$confid[1, c(1, 3)]), ",\n",
  '  "kappa_quadratic": ', number(plain$weighted.kappa), ",\n",
  '  "kappa_linear": ', number(lin$weighted.kappa), ",\n",
  '  "icc": ', number(whole$ICC), ",\n",
  '  "icc_low": ', number(whole[, 7]), ",\n",
  '  "icc_high": ', number(whole[, 8]), ",\n",
  '  "icc_low_80": ', number(narrow[, 7]), ",\n",
  '  "icc_high_80": ', number(narrow[, 8]), ",\n",
  '  "shrout_icc": ', number(sf$ICC), ",\n",
  '  "gaps_icc": ', number(c(single, 4 * single / (1 + 3 * single))), ",\n",
  '  "limits": ', number(c(mean(d), sd(d), mean(d) - z * sd(d), mean(d) + z * sd(d))), ",\n",
  '  "limits_se": ', number(c(sd(d) / sqrt(n), se_limit)), ",\n",
  '  "repeated_difference": ', number(d2), ",\n",
  '  "repeated_limits": ', number(c(mean(d2), spread, mean(d2) - z * spread, mean(d2) + z * spread)), "\n",
  "}\n"
))
