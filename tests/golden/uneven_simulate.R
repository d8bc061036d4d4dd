# Makes data/uneven_sessions.csv (sessions in patients in 12 therapists with 2 to 11 patients each; exper is the therapist's,
# arm and sev the patient's) and data/uneven_phases.csv (phases by arms in 7 clinics, uneven cells). Run in this folder.
set.seed(90417)
K <- 12; exper <- round(runif(K, 1, 25)); npat <- c(2,3,9,4,6,2,7,5,3,11,4,6)
u <- rnorm(K, 0, .5); rows <- list(); pid <- 0
for (k in 1:K) for (j in 1:npat[k]) { pid <- pid+1
  ns <- sample(3:14,1); b <- MASS::mvrnorm(1, c(0,0), matrix(c(.8,-.05,-.05,.02),2)); arm <- sample(c("cbt","pdt"),1)
  sev <- rnorm(1, 20, 5); s <- 1:ns; wai <- 4.5 + .05*s + rnorm(1,0,.5) + rnorm(ns,0,.6)
  y <- 18 + .3*sev - .4*s - .5*wai - .04*exper[k]*1 + .8*(arm=="pdt")*s*.2 - .03*(wai-4.5)*(sev-20) + u[k] + b[1] + b[2]*s + rnorm(ns,0,1.5)
  rows[[pid]] <- data.frame(therapist=sprintf("T%02d",k), patient=sprintf("P%03d",pid), session=s, arm, sev, wai, exper=exper[k], w=runif(ns,.4,2.5), y) }
A <- do.call(rbind, rows); A <- A[runif(nrow(A))>.08,];
A <- transform(A, sev = round(sev, 1), wai = round(wai, 2), w = round(w, 2), y = round(y, 5))
write.csv(A[c("therapist", "patient", "session", "arm", "sev", "wai", "exper", "w", "y")], "data/uneven_sessions.csv",
          row.names = FALSE, quote = FALSE)

set.seed(90418)
rows <- list(); for (p in 1:44) { n <- sample(4:10,1); arm <- sample(c("cbt","ipt","wait"),1,prob=c(.5,.3,.2)); phase <- sample(c("early","mid","late"),n,TRUE,prob=c(.5,.2,.3))
 age <- rnorm(1,40,10); b <- rnorm(1,0,1.2)
 m <- c(early=0,mid=-.7,late=-1.6)[phase] + c(cbt=0,ipt=.3,wait=.9)[arm] + ifelse(arm=="wait"&phase=="late",1.1,0)
 rows[[p]] <- data.frame(patient=p, clinic=paste0("c",(p-1)%%7), arm, phase, age, y=10+m-.02*age+b+rnorm(n,0,1.1)) }
C <- do.call(rbind,rows); cl <- rnorm(7,0,.5); C$y <- C$y + cl[as.integer(factor(C$clinic))];
C <- transform(C, age = round(age, 1), y = round(y, 3))
write.csv(C[c("clinic", "patient", "arm", "phase", "age", "y")], "data/uneven_phases.csv", row.names = FALSE, quote = FALSE)
