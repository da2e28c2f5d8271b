//! FMP: deploys and keeps the Kubernetes cluster that the Foresight Mobile Platform runs on.
