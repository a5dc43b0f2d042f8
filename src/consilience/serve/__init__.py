"""A loaded model as a service: REST, the Open Inference Protocol over REST and gRPC, a web page and metrics."""
