startTable();
startCost();
startClasses();
startRuns();
