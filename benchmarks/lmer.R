# lme4 on one problem, in one process: Rscript lmer.R FOLDER. Tells the parent in JSON lines, as worker.py does.
folder <- commandArgs(TRUE)[1]
fields <- strsplit(readLines(file.path(folder, "problem.tsv")), "\t")
value <- function(name) Filter(function(f) f[1] == name, fields)[[1]][2]
n <- as.integer(value("n_rows"))
d <- list()
for (f in Filter(function(f) f[1] == "column", fields)) {
  size <- if (f[3] == "double") 8L else 4L
  d[[f[2]]] <- readBin(file.path(folder, paste0(f[2], ".bin")), f[3], n, size, endian = "little")
}
d <- as.data.frame(d)
say <- function(...) { cat(sprintf(...), "\n", sep = ""); flush(stdout()) }
now <- function() as.numeric(Sys.time())
status <- function(field) {
  line <- grep(paste0("^", field, ":"), readLines("/proc/self/status"), value = TRUE)
  1024 * as.numeric(gsub("[^0-9]", "", line))
}
start <- now()
if (!suppressWarnings(suppressMessages(require("lme4", quietly = TRUE)))) {
  say('{"event": "cannot", "reason": "lme4 is not installed"}')
  quit(status = 0)
}
say('{"event": "ready", "version": "%s", "import_s": %.4f}', packageVersion("lme4"), now() - start)
form <- as.formula(value("formula"))
call <- function() suppressWarnings(suppressMessages(lmer(form, d, control = lmerControl(calc.derivs = FALSE))))
invisible(gc())
before <- tryCatch({ writeLines("5", "/proc/self/clear_refs"); status("VmRSS") }, error = function(e) NA)
start <- now()
m <- call()
cold <- now() - start
peak <- tryCatch(status("VmHWM") - before, error = function(e) NA)
say('{"event": "cold", "seconds": %.6f, "peak_bytes": %s, "criterion": %.9f}', cold,
    if (is.na(peak)) "null" else sprintf("%.0f", peak), -2 * as.numeric(logLik(m)))
spent <- 0
done <- 0
while (done < as.integer(value("repeats")) && spent + cold < as.numeric(value("budget"))) {
  start <- now()
  m <- call()
  seconds <- now() - start
  spent <- spent + seconds
  done <- done + 1
  say('{"event": "warm", "seconds": %.6f}', seconds)
}
say('{"event": "done"}')
