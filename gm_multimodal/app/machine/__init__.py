"""What of the machine a command uses: devices, threads, processes."""
