"""Why a layer is at fault: cause, side, known issue, remedy."""
