package elb

import (
	"context"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/elbv2"
)

// onHTTPS finds a listener that may have certificates; there is none until there is a store of certificates.
func (a *api) onHTTPS(call *awswire.Call, key *string) error {
	l, err := listener(&a.store.View().Tables, call, key)
	if err != nil {
		return err
	}
	if l.Protocol == "HTTP" {
		return invalid("Listener '%s' uses the HTTP protocol; certificates can be specified for HTTPS "+
			"listeners only", l.ARN)
	}
	return nil
}

func (a *api) addListenerCertificates(
	_ context.Context, call *awswire.Call, in *shape.AddListenerCertificatesInput,
) (*shape.AddListenerCertificatesOutput, error) {
	if err := a.onHTTPS(call, in.ListenerArn); err != nil {
		return nil, err
	}
	if len(in.Certificates) != 1 {
		return nil, invalid("Exactly one certificate must be specified")
	}
	return nil, certificateNotFound(request.Value(in.Certificates[0].CertificateArn))
}

func (a *api) removeListenerCertificates(
	_ context.Context, call *awswire.Call, in *shape.RemoveListenerCertificatesInput,
) (*shape.RemoveListenerCertificatesOutput, error) {
	return nil, a.onHTTPS(call, in.ListenerArn)
}

func (a *api) describeListenerCertificates(
	_ context.Context, call *awswire.Call, in *shape.DescribeListenerCertificatesInput,
) (*shape.DescribeListenerCertificatesOutput, error) {
	if err := a.onHTTPS(call, in.ListenerArn); err != nil {
		return nil, err
	}
	return &shape.DescribeListenerCertificatesOutput{}, nil
}
