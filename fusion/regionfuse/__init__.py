"""RegionFuse: the network, its losses and the fusion method. An independent, unofficial re-implementation."""
