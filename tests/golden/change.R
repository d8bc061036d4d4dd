# Golden values for alliance_stats.scales.reliable_change and change_slopes; run in tests/golden: Rscript change.R > change.json
# Scores: Jacobson & Truax (1991) JCCP 59(1):12-19, Table 2 (doi 10.1037/0022-006X.59.1.12), 26 people with both GDS scores.
suppressMessages(library(lme4))
pre <- c(68, 74.5, 58.5, 73.5, 78.5, 76, 76.5, 63, 70, 75, 63.5, 73.5, 71.5, 63.5, 57, 75, 63, 75, 71.5, 68, 75.5, 67.5,
         62.5, 69.5, 61, 67)
post <- c(62.5, 56, 58, 71, 60.5, 77, 58.5, 52, 65.5, 73, 64, 55.5, 53, 55, 50, 78, 65.5, 62, 60.5, 51, 50, 44, 55.5, 56,
          60.5, 47.5)
r <- 0.8
r_post <- 0.7
s <- sd(pre)
se <- s * sqrt(1 - r)
m1 <- mean(pre)
m2 <- mean(post)
regressed <- post - (r * (pre - m1) + m1)
# Hageman & Arrindell: reliability of the difference from the reliabilities of both scores.
rp <- (var(pre) - se^2) / var(pre)
rq <- (var(post) - se^2) / var(post)
joint <- 2 * s * sd(post) * cor(pre, post)
rdd <- (var(pre) * rp + var(post) * rq - joint) / (var(pre) + var(post) - joint)
index <- list(
  jacobson_truax = (post - pre) / sqrt(2 * se^2),
  gulliksen_lord_novick = regressed / (s * sqrt(1 - r^2)),
  hsu_linn_lord = ((post - m2) - r * (pre - m1)) / (s * sqrt(1 - r^2)),
  edwards_nunnally = regressed / se,
  nunnally_kotsch = regressed / sqrt(r^2 * s^2 * (1 - r) + s^2 * (1 - r_post)),
  hageman_arrindell = ((post - pre) * rdd + (m2 - m1) * (1 - rdd)) / (sqrt(rdd) * sqrt(2 * se^2))
)
sleep <- read.csv("data/sleepstudy.csv")
fit <- lmer(Reaction ~ Days + (Days | Subject), sleep, control = lmerControl("bobyqa", optCtrl = list(rhoend = 1e-9)))
effects <- as.data.frame(ranef(fit, condVar = TRUE))
days <- effects[effects$term == "Days", ]
wilson <- prop.test(7, 26, correct = FALSE)$conf.int

number <- function(v) paste0("[", paste(sprintf("%.15g", v), collapse = ", "), "]")
cat(paste0(
  "{\n",
  '  "source": "tests/golden/change.R",\n',
  '  "software": "', R.version.string, ", lme4 ", as.character(packageVersion("lme4")), '",\n',
  '  "rtol": 1e-10,\n',
  '  "rtol_slopes": 1e-6,\n',
  '  "pre": ', number(pre), ",\n",
  '  "post": ', number(post), ",\n",
  paste0('  "', names(index), '": ', sapply(index, number), collapse = ",\n"), ",\n",
  '  "average_slope": ', number(fixef(fit)["Days"]), ",\n",
  '  "slope_deviation": ', number(days$condval), ",\n",
  '  "slope_sd": ', number(days$condsd), ",\n",
  '  "wilson_7_of_26": ', number(wilson), "\n",
  "}\n"
))
