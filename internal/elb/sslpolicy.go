package elb

import (
	"cmp"
	"slices"
)

// SSLPolicy is a named set of TLS protocols and ciphers (alb.md TL5). Ciphers are in the order the server prefers.
type SSLPolicy struct {
	Name      string
	Protocols []string
	Ciphers   []string
}

// SSLPolicies returns the policies that HTTPS listeners may name, by name.
func SSLPolicies() []SSLPolicy {
	v10, v11, v12, v13 := []string{"TLSv1", "TLSv1.1", "TLSv1.2"}, []string{"TLSv1.1", "TLSv1.2"},
		[]string{"TLSv1.2"}, []string{"TLSv1.3"}
	tls13 := []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
	gcm := []string{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
		"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"}
	ecdhe := []string{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
		"ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256",
		"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-SHA384",
		"ECDHE-RSA-AES256-SHA384"}
	ecdheSHA := []string{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
		"ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256",
		"ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-GCM-SHA384",
		"ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384",
		"ECDHE-RSA-AES256-SHA", "ECDHE-ECDSA-AES256-SHA"}
	rsa := []string{"AES128-GCM-SHA256", "AES128-SHA256", "AES256-GCM-SHA384", "AES256-SHA256"}
	rsaSHA := []string{
		"AES128-GCM-SHA256", "AES128-SHA256", "AES128-SHA", "AES256-GCM-SHA384", "AES256-SHA256", "AES256-SHA",
	}
	policy := func(name string, protocols []string, ciphers ...[]string) SSLPolicy {
		return SSLPolicy{"ELBSecurityPolicy-" + name, protocols, slices.Concat(ciphers...)}
	}
	policies := []SSLPolicy{
		policy("TLS13-1-3-2021-06", v13, tls13),
		policy("TLS13-1-2-Res-2021-06", slices.Concat(v12, v13), tls13, gcm),
		policy("TLS13-1-2-2021-06", slices.Concat(v12, v13), tls13, ecdhe),
		policy("TLS13-1-2-Ext1-2021-06", slices.Concat(v12, v13), tls13, ecdhe, rsa),
		policy("TLS13-1-2-Ext2-2021-06", slices.Concat(v12, v13), tls13, ecdheSHA, rsaSHA),
		policy("TLS13-1-1-2021-06", slices.Concat(v11, v13), tls13, ecdheSHA, rsaSHA),
		policy("TLS13-1-0-2021-06", slices.Concat(v10, v13), tls13, ecdheSHA, rsaSHA),
		policy("FS-1-2-Res-2020-10", v12, gcm),
		policy("FS-1-2-Res-2019-08", v12, ecdhe),
		policy("FS-1-2-2019-08", v12, ecdheSHA),
		policy("FS-1-1-2019-08", v11, ecdheSHA),
		policy("FS-2018-06", v10, ecdheSHA),
		policy("TLS-1-2-Ext-2018-06", v12, ecdheSHA, rsaSHA),
		policy("TLS-1-2-2017-01", v12, ecdhe, rsa),
		policy("TLS-1-1-2017-01", v11, ecdheSHA, rsaSHA),
		policy("2016-08", v10, ecdheSHA, rsaSHA),
		policy("2015-05", v10, ecdheSHA, rsaSHA),
		policy("TLS-1-0-2015-04", v10, ecdheSHA, rsaSHA, []string{"DES-CBC3-SHA"}),
	}
	slices.SortFunc(policies, func(a, b SSLPolicy) int { return cmp.Compare(a.Name, b.Name) })
	return policies
}
