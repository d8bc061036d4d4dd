# Golden values for generalizability, multilevel_reliability and dependability. R packages psych, lme4, jsonlite.
# Run: Rscript multilevel_reliability.R > multilevel_reliability.json
suppressPackageStartupMessages({library(psych); library(lme4); library(jsonlite)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e6), calc.derivs = FALSE)
balanced <- read.csv("data/alliance_items_balanced.csv")
items <- paste0("i", 1:4)
m <- suppressWarnings(mlr(balanced, grp = "patient", Time = "session", items = items, aov = TRUE, lmer = FALSE, lme = TRUE, icc = FALSE, alpha = FALSE))
stack_items <- function(d, items) data.frame(
  patient = factor(rep(d$patient, length(items))), session = factor(rep(d$session, length(items))),
  therapist = factor(rep(if (is.null(d$therapist)) 1 else d$therapist, length(items))),
  item = factor(rep(items, each = nrow(d))), y = unlist(d[items]))
parts <- function(fit) {
  v <- as.data.frame(VarCorr(fit))
  out <- as.list(v$vcov); names(out) <- v$grp; out
}
out <- list(software = paste(R.version.string, "psych", packageVersion("psych"), "lme4", packageVersion("lme4")),
            source = "tests/golden/multilevel_reliability.R")
out$psych <- list(RkF = m$RkF, R1R = m$R1R, RkR = m$RkR, Rc = m$Rc, RkRn = m$RkRn, Rcn = m$Rcn, components = m$components$variance[1:7])
# R1F is not in psych: Cranford et al. (2006), from psych's components (id, time, items, id:time, id:items, time:items, error).
v <- out$psych$components
out$R1F <- (v[1] + v[5] / 4) / (v[1] + v[5] / 4 + v[7] / 4)

long <- stack_items(balanced, items)
crossed <- y ~ 1 + (1 | patient) + (1 | session) + (1 | item) + (1 | patient:session) + (1 | patient:item) + (1 | session:item)
out$balanced <- parts(lmer(crossed, long, control = tight))
nested3 <- lmer(y ~ 1 + (1 | patient) + (1 | patient:session), long, control = tight)
out$nested3 <- parts(nested3)

# Unequal numbers of sessions.
all <- read.csv("data/alliance_items.csv")
some <- all[all$patient <= 80, ]
long <- stack_items(some, c("i1", "i4", "i7"))
out$unbalanced <- parts(lmer(crossed, long, control = tight))
therapists <- y ~ 1 + (1 | therapist) + (1 | patient) + (1 | session) + (1 | item) + (1 | patient:session) +
  (1 | therapist:session) + (1 | patient:item) + (1 | session:item) + (1 | therapist:item) + (1 | therapist:session:item)
nested <- y ~ 1 + (1 | therapist) + (1 | therapist:patient) + (1 | patient:session) + (1 | item) + (1 | therapist:item) + (1 | patient:item)
out$nested_therapists <- parts(lmer(nested, stack_items(all, c("i1", "i4", "i7")), control = tight))

# ICC(1) and ICC(2) of the item mean, unequal cluster sizes: one-way analysis of variance (base R).
score <- rowMeans(all[paste0("i", 1:9)])
a <- anova(lm(score ~ factor(all$patient)))[["Mean Sq"]]
size <- table(all$patient)
n0 <- (sum(size) - sum(size^2) / sum(size)) / (length(size) - 1)
out$icc <- list(icc1 = (a[1] - a[2]) / (a[1] + (n0 - 1) * a[2]), icc2 = (a[1] - a[2]) / a[1], n0 = n0)
cat(toJSON(out, digits = 14, auto_unbox = TRUE, pretty = TRUE, na = "null"), "\n")
