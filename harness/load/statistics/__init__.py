"""What a load run's figures prove: intervals, dependence, evidence, early ends. Pure, standard library only."""
