"""From the configuration of a Keras 2 model to that of the same model in Keras 3: rules on JSON, without Keras."""
