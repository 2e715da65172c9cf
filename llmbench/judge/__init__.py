"""What records are judged by before anybody is told of them."""
