# Small files as haven writes them, to be read by tests/loaders/test_foreign_files.py.
# Run in this folder: Rscript statistical_files.R
library(haven)
ratings <- data.frame(
  pid = c(1, 2, 3),
  wai = labelled_spss(c(4, -99, 93), labels = c(never = 1, always = 7, refused = -99), na_values = -99, na_range = c(90, 98),
                      label = "Alliance, today"),
  mood = c(0.1, 2.5, NA),
  note = c("a", "\u00e4\u00df", "long text with a comma, and more"),
  seen = as.Date(c("2020-01-02", NA, "2021-12-31"))
)
attr(ratings$mood, "label") <- "Mood"
write_sav(ratings, "files/haven.sav")
write_sav(ratings, "files/haven.zsav", compress = "zsav")
stata <- ratings
stata$wai <- labelled(c(4, tagged_na("a"), tagged_na("z")), labels = c(never = 1, always = 7, refused = tagged_na("a")),
                      label = "Alliance, today")
write_dta(stata, "files/haven.dta", version = 14)
plain <- data.frame(pid = c(1, 2, 3), wai = c(4, NA, 7), note = c("a", "b", "c"))
suppressWarnings(write_sas(plain, "files/haven.sas7bdat"))
write_xpt(plain, "files/haven.xpt", version = 8)
write_xpt(plain, "files/haven5.xpt", version = 5)
cat("haven", as.character(packageVersion("haven")), R.version.string, "\n")
