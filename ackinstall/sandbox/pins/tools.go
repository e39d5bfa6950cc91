//go:build tools

// Package tools names the programs that the sandbox builds, so that one go.mod pins them all.
//
// The SageMaker controller asks for controller-runtime v0.23.0, which does not compile with Kubernetes 1.36;
// go.mod raises it to v0.24.1, which does. The modules replaced are Kubernetes' own staging modules: their
// version is 0.36.3 for Kubernetes 1.36.3. After a change: go get MODULE@VERSION && go mod tidy.
package tools

import (
	_ "github.com/aws-controllers-k8s/sagemaker-controller/cmd/controller"
	_ "github.com/google/go-containerregistry/cmd/crane"
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
)
