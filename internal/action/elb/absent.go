package elb

import (
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
)

// absentOperations list what cannot exist here: trust stores.
func absentOperations() []awswire.Operation {
	return []awswire.Operation{
		awswire.Nothing[shape.DescribeTrustStoresInput, shape.DescribeTrustStoresOutput]("DescribeTrustStores",
			awswire.Unknown{Member: "TrustStoreArns", Code: "TrustStoreNotFound", Message: "Trust store '%s' not found"},
			awswire.Unknown{Member: "Names", Code: "TrustStoreNotFound", Message: "Trust store '%s' not found"}),
	}
}
