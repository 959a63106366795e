"""Files and Hub data sets, read, checked and turned into model inputs."""
