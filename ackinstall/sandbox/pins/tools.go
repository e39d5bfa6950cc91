//go:build tools

// Package tools names the programs that the sandbox builds, so that one go.mod pins them all.
//
// The newest Kubernetes with which the SageMaker controller compiles as it was released is 1.35: it asks for
// controller-runtime v0.23. The modules replaced are Kubernetes' own staging modules: their version is 0.35.4
// for Kubernetes 1.35.4. The IAM controller is for tests alone: no sandbox builds it.
// After a change: go get MODULE@VERSION && go mod tidy.
package tools

import (
	_ "github.com/aws-controllers-k8s/iam-controller/cmd/controller"
	_ "github.com/aws-controllers-k8s/sagemaker-controller/cmd/controller"
	_ "github.com/google/go-containerregistry/cmd/crane"
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
)
