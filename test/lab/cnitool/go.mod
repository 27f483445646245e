module ironbridge/test/lab/cnitool

go 1.24

// The CNI project's own client: "go build" makes one static binary.
tool github.com/containernetworking/cni/cnitool

require github.com/containernetworking/cni v1.3.0 // indirect
