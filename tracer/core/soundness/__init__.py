"""Does a comparison show anything?  What its signal carries, when that is too little, and bounds that are none."""
