"""Pure judgement: observations become cells, cells verdicts, verdicts the matrix; each as its causes say."""
