startTable();
startCost();
startGains();
startClasses();
startRuns();
