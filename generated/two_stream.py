"""one of the two streams, a frame in colour or ten of optical flow; VGG16 in colour by default.

Clip (N, 3, 1, 224, 224); 134.67 M parameters, 15.47 GMACs.
Paper: Simonyan and Zisserman, Two-Stream Convolutional Networks, NIPS 2014
Paper: Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'two_stream'.
math 0a587ee23de372f1, weights db9d4cf7d8862f0c.
"""

import torch
from torch import Tensor, nn


class TwoStream(nn.Module):
    """Two-Stream for clips of 1 frames."""

    def __init__(self, num_classes: int = 101) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 64, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2),
            nn.Conv2d(64, 128, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, 128, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2),
            nn.Conv2d(128, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2),
            nn.Conv2d(256, 512, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(512, 512, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(512, 512, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2),
            nn.Conv2d(512, 512, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(512, 512, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(512, 512, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(25088, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
        )
        self.dropout = nn.Dropout(0.8)
        self.fc = nn.Linear(4096, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv2d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.transpose(1, 2).flatten(0, 1)  # (N*1, 3, 224, 224)
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.features(x)  # (N*1, 512, 7, 7)
        x = x.flatten(1)  # (N*1, 25088)
        x = self.classifier(x)  # (N*1, 4096)
        x = self.dropout(x)  # (N*1, 4096)
        x = self.fc(x)  # (N*1, 101)
        return torch.unflatten(x, 0, (-1, 1)).mean(1)  # (N, 101)
