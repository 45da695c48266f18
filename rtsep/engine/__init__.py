"""Who computes: this process alone (`local`), or the ranks of an MPI job (`mpi`); `schedule` decides who gets what."""
