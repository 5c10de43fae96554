"""What every long-running process of limpet needs: logs, a watchdog, signals, locks and places."""
