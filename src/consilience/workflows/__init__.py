"""What needs several of the packages below: fit, evaluate, predict, inspect, the demo."""
