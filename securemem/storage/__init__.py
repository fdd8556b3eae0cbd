"""Where sealed records live. What is kept here is encrypted already: no module of this layer sees a key in clear."""
